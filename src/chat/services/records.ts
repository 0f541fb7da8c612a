import type { ChannelRecord } from "../models/channel.ts";
import type { MessageRecord } from "../models/message.ts";
import type { UserRecord } from "../models/user.ts";
import { dateOf, isMessage, madeAt, numberOf, textOf, timeOf } from "./stored.ts";
import type { Account, Channel, ChannelAccess, Message, Standing, UserCard } from "./types.ts";

/** From what is stored to what the chat speaks of; what documents lack is filled in here and nowhere else. */

export function isBanned(user: Pick<UserRecord, "banned" | "banExpires">, now: number): boolean {
  const ends = dateOf(user.banExpires);
  return user.banned === true && (!ends || ends.getTime() > now);
}

export function toCard(user: UserRecord): UserCard {
  const createdAt = timeOf(user.createdAt) ?? madeAt(user._id);
  return {
    id: String(user._id),
    nickname: textOf(user.nickname) ?? "",
    role: textOf(user.role) ?? "member",
    status: textOf(user.status) ?? "offline",
    createdAt,
    lastActive: timeOf(user.lastActive) ?? createdAt,
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
    id: String(user._id),
    nickname: textOf(user.nickname) ?? "",
    role: textOf(user.role) ?? "member",
    banned: isBanned(user, now),
    muteExpires: dateOf(user.muteExpires) ?? null,
    endedBefore: dateOf(user.sessionsEndedAt) ?? null,
  };
}

export function toChannel(channel: ChannelRecord): Channel {
  const description = textOf(channel.description);
  return {
    id: textOf(channel.id) ?? "",
    name: textOf(channel.name) ?? "",
    type: textOf(channel.type) ?? "text",
    ...(description ? { description } : {}),
    createdBy: textOf(channel.createdBy) ?? "",
    position: numberOf(channel.position) ?? 0,
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
    id: String(message._id),
    // A client crashes on an empty author.
    author: textOf(message.author) ?? "System",
    room: textOf(message.channel) ?? "",
    text: textOf(message.text) ?? "",
    type: textOf(message.type) ?? "public",
    target: textOf(message.target) ?? null,
    timestamp: timeOf(message.timestamp) ?? madeAt(message._id),
  };
}

/** Those of them that are messages. */
export const messagesIn = (found: readonly MessageRecord[]): Message[] => found.filter(isMessage).map(toMessage);
