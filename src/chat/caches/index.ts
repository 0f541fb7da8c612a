import type { Connection } from "mongoose";
import type { CacheRoom } from "../../cache/room.ts";
import type { WarmStep } from "../../cache/warm-up.ts";
import { channelModel } from "../models/channel.ts";
import { emojiModel } from "../models/emoji.ts";
import { messageModel } from "../models/message.ts";
import { userModel } from "../models/user.ts";
import { type ChannelCache, channelDeclaration } from "./channels.ts";
import { type EmojiCache, emojiDeclaration } from "./emoji.ts";
import { type MessageCache, messageDeclaration } from "./messages.ts";
import { type UserCache, userDeclaration } from "./users.ts";
import { type WhisperCache, whisperDeclaration } from "./whispers.ts";

export interface ChatCaches {
  readonly users: UserCache;
  readonly channels: ChannelCache;
  readonly messages: MessageCache;
  readonly whispers: WhisperCache;
  readonly emoji: EmojiCache;
}

export const cacheNames = [
  "users",
  "channels",
  "messages",
  "whispers",
  "emoji",
] as const satisfies (keyof ChatCaches)[];
export type CacheName = (typeof cacheNames)[number];

export interface ChatCachesConfig {
  TTL_USERS: number;
  TTL_CHANNELS: number;
  TTL_MESSAGES: number;
  TTL_WHISPERS: number;
  TTL_EMOJI: number;
  HISTORY_LIMIT: number;
}

interface Options {
  room: Pick<CacheRoom, "create" | "shapes">;
  connection: Connection;
  config: ChatCachesConfig;
}

// What is read of a structure that another release has written must mean the same to this one; else it gets another form.
const form = "1";

/** What of the chat is kept in Redis, each declared in a file of its own. */
export function createChatCaches({ room, connection, config }: Options): ChatCaches {
  const { shapes } = room;
  const { HISTORY_LIMIT: historyLimit } = config;
  return {
    users: room.create(
      userDeclaration({
        users: userModel(connection),
        shape: shapes.zset({ form, unseen: "lastActive" }),
        ttlSeconds: config.TTL_USERS,
      }),
    ),
    channels: room.create(
      channelDeclaration({
        channels: channelModel(connection),
        shape: shapes.hash({ form }),
        ttlSeconds: config.TTL_CHANNELS,
      }),
    ),
    messages: room.create(
      messageDeclaration({
        messages: messageModel(connection),
        shape: shapes.list({ form, orderedBy: "timestamp", limit: historyLimit }),
        ttlSeconds: config.TTL_MESSAGES,
        historyLimit,
      }),
    ),
    whispers: room.create(
      whisperDeclaration({
        messages: messageModel(connection),
        shape: shapes.hash({ form }),
        ttlSeconds: config.TTL_WHISPERS,
        historyLimit,
      }),
    ),
    emoji: room.create(
      emojiDeclaration({
        counts: emojiModel(connection),
        shape: shapes.hash({ form }),
        ttlSeconds: config.TTL_EMOJI,
      }),
    ),
  };
}

const mostRooms = 50;

/** What is filled ahead of those who ask: the lists, and the newest messages of the first channels. */
export function warmSteps({ users, channels, messages, whispers, emoji }: ChatCaches): WarmStep[] {
  const only = async () => [""];
  async function rooms(): Promise<string[]> {
    const { entries } = await channels.read("");
    const texts = entries.filter(({ channel }) => channel.type === "text").map(({ channel }) => channel.id);
    return texts.slice(0, mostRooms);
  }
  return [
    { cache: channels, keys: only },
    { cache: users, keys: only },
    { cache: messages, keys: rooms },
    { cache: whispers, keys: rooms },
    { cache: emoji, keys: only },
  ];
}

/** The caches of which each channel has a key of its own. */
export const keyedByChannel: readonly CacheName[] = ["messages", "whispers"];

/** How the keys of each cache begin. */
export const cachePrefixes: Readonly<Record<CacheName, string>> = {
  users: "cache:users:list",
  channels: "cache:channels:list",
  messages: "cache:messages:recent:",
  whispers: "cache:messages:whispers:",
  emoji: "cache:emoji:classics",
};
