import type { ChannelRecord } from "../models/channel.ts";
import type { MessageRecord } from "../models/message.ts";
import type { UserRecord } from "../models/user.ts";
import type { Account, Channel, ChannelAccess, Message, Standing, UserCard } from "./types.ts";

/** From what is stored to what the chat speaks of; what old documents lack is filled in here and nowhere else. */

export function isBanned(user: Pick<UserRecord, "banned" | "banExpires">, now: number): boolean {
  return user.banned === true && (!user.banExpires || user.banExpires.getTime() > now);
}

export function toCard(user: UserRecord): UserCard {
  const createdAt = user.createdAt ?? user._id.getTimestamp();
  return {
    id: user._id.toHexString(),
    nickname: user.nickname,
    role: user.role ?? "member",
    status: user.status ?? "offline",
    createdAt,
    lastActive: user.lastActive ?? createdAt,
  };
}

export function toAccount(user: UserRecord): Account {
  return { ...toCard(user), email: user.email };
}

/** Of a user, what decides what they may do. */
export const standingFields: readonly string[] = [
  "nickname",
  "role",
  "banned",
  "banExpires",
  "muteExpires",
  "sessionsEndedAt",
];

export function toStanding(user: UserRecord, now: number): Standing {
  return {
    id: user._id.toHexString(),
    nickname: user.nickname,
    role: user.role ?? "member",
    banned: isBanned(user, now),
    muteExpires: user.muteExpires ?? null,
    endedBefore: user.sessionsEndedAt ?? null,
  };
}

export function toChannel(channel: ChannelRecord): Channel {
  return {
    id: channel.id,
    name: channel.name,
    type: channel.type,
    ...(channel.description ? { description: channel.description } : {}),
    createdBy: channel.createdBy,
    position: channel.position ?? 0,
  };
}

/** A locked channel is read by all who may, and written by admins. */
export function toChannelAccess(channel: ChannelRecord): ChannelAccess {
  const read = channel.permissions?.read === "admin";
  const write = read || channel.locked === true || channel.permissions?.write === "admin";
  return { ...toChannel(channel), adminsOnly: { read, write } };
}

export function toMessage(message: MessageRecord): Message {
  return {
    id: message._id.toHexString(),
    // A client crashes on an empty author.
    author: message.author || "System",
    room: message.channel,
    text: message.text,
    type: message.type ?? "public",
    target: message.target ?? null,
    timestamp: message.timestamp ?? message._id.getTimestamp(),
  };
}
