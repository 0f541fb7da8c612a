import type { Connection } from "mongoose";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Log } from "../../kernel/log.ts";
import type { ChatCaches } from "../caches/index.ts";
import { channelModel } from "../models/channel.ts";
import { emojiModel } from "../models/emoji.ts";
import { messageModel } from "../models/message.ts";
import { userModel } from "../models/user.ts";
import { createAccounts } from "./accounts.ts";
import { createChannels } from "./channels.ts";
import { createEmoji } from "./emoji.ts";
import { createMessages } from "./messages.ts";
import { createModeration } from "./moderation.ts";
import { createPasswords } from "./passwords.ts";
import type { ChatServices } from "./types.ts";
import { createUserWrites } from "./user-writes.ts";
import { createUsers } from "./users.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

interface Options {
  connection: Connection;
  config: { PASSWORD_COST: number; HISTORY_LIMIT: number };
  log?: Log;
  /** Absent: everything is read from MongoDB. */
  caches?: ChatCaches;
  clock?: Clock;
}

/** The chat: MongoDB has everything, and what is read often is kept in Redis. */
export function createChatServices({
  connection,
  config,
  log = silent,
  caches,
  clock = systemClock,
}: Options): ChatServices {
  const users = userModel(connection);
  const writes = createUserWrites(users, caches?.users);
  const emoji = createEmoji({ counts: emojiModel(connection), cache: caches?.emoji, log });
  const { HISTORY_LIMIT: historyLimit } = config;
  return {
    users: createUsers(users, writes, clock, caches?.users),
    accounts: createAccounts(users, writes, createPasswords(config.PASSWORD_COST), clock),
    channels: createChannels(channelModel(connection), caches?.channels),
    messages: createMessages({
      messages: messageModel(connection),
      historyLimit,
      clock,
      emoji,
      cache: caches?.messages,
      whispers: caches?.whispers,
    }),
    moderation: createModeration(users, writes, clock),
    emoji,
  };
}
