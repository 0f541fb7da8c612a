import type { Connection } from "mongoose";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import { channelModel } from "../models/channel.ts";
import { messageModel } from "../models/message.ts";
import { userModel } from "../models/user.ts";
import { createAccounts } from "./accounts.ts";
import { createChannels } from "./channels.ts";
import { createMessages } from "./messages.ts";
import { createModeration } from "./moderation.ts";
import { createPasswords } from "./passwords.ts";
import type { ChatServices } from "./types.ts";
import { createUsers } from "./users.ts";

interface Options {
  connection: Connection;
  config: { PASSWORD_COST: number; HISTORY_LIMIT: number };
  clock?: Clock;
}

/** The chat on MongoDB alone; caches are put in front of single functions of it. */
export function createChatServices({ connection, config, clock = systemClock }: Options): ChatServices {
  const users = userModel(connection);
  return {
    users: createUsers(users, clock),
    accounts: createAccounts(users, createPasswords(config.PASSWORD_COST), clock),
    channels: createChannels(channelModel(connection)),
    messages: createMessages(messageModel(connection), config.HISTORY_LIMIT, clock),
    moderation: createModeration(users, clock),
  };
}
