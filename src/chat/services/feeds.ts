import type { ChangeStreamDocument, Db } from "mongodb";
import { Types } from "mongoose";
import type { Log } from "../../kernel/log.ts";
import type { WatchCollection, Watcher } from "../../mongo/watch.ts";
import type { MessageRecord } from "../models/message.ts";
import type { UserRecord } from "../models/user.ts";
import { standingFields, toMessage } from "./records.ts";
import type { Message } from "./types.ts";

/** What may make somebody's sockets act otherwise, or go. */
export interface StandingChange {
  userId: string;
  /** Banned by this change. */
  ban?: { reason: string; expires: Date | null };
  /** Logged out or banned by this change, at that time. */
  ended?: Date;
}

/** What is stored, told as it is stored; each of them goes on until it is closed. */
export interface Feeds {
  /** What other processes store. */
  messages(tell: (message: Message) => void, onLive: (live: boolean, whole: boolean) => void): Watcher;
  standings(tell: (change: StandingChange) => void, onLive: (live: boolean, whole: boolean) => void): Watcher;
  /** Of these rooms, stored at `since` or later; of too many the newest, in order. */
  messagesSince(rooms: string[], since: Date, most: number): Promise<Message[]>;
}

interface Options {
  db: Db;
  watch: WatchCollection;
  log: Log;
}

const ofMessage = { author: 1, text: 1, channel: 1, type: 1, target: 1, timestamp: 1 } as const;

/** All ids that a process makes have these five random bytes in common. */
const mark = { from: 8, length: 10 };
const ownMark = new Types.ObjectId().toHexString().slice(mark.from, mark.from + mark.length);
const markOf = { $substrBytes: [{ $toString: "$fullDocument._id" }, mark.from, mark.length] };

const messagePipeline = [
  { $match: { operationType: "insert", $expr: { $ne: [markOf, ownMark] } } },
  { $project: { operationType: 1, fullDocument: { _id: 1, ...ofMessage } } },
];

const updated = "updateDescription.updatedFields";
const standingPipeline = [
  {
    $match: {
      $or: [
        { operationType: { $in: ["replace", "delete"] } },
        { "updateDescription.removedFields": { $in: standingFields } },
        ...standingFields.map((field) => ({ [`${updated}.${field}`]: { $exists: true } })),
      ],
    },
  },
  {
    $project: {
      operationType: 1,
      documentKey: 1,
      ...Object.fromEntries([...standingFields, "banReason"].map((field) => [`${updated}.${field}`, 1])),
    },
  },
];

type Changed = Partial<Pick<UserRecord, "banned" | "banReason" | "banExpires" | "sessionsEndedAt">>;

function standingChange(change: ChangeStreamDocument<UserRecord>): StandingChange | undefined {
  const { operationType } = change;
  if (operationType !== "update" && operationType !== "replace" && operationType !== "delete") return undefined;
  const fields: Changed = change.operationType === "update" ? (change.updateDescription?.updatedFields ?? {}) : {};
  const { banned, banReason, banExpires, sessionsEndedAt } = fields;
  return {
    userId: change.documentKey._id.toHexString(),
    ...(banned ? { ban: { reason: banReason ?? "", expires: banExpires ?? null } } : {}),
    ...(sessionsEndedAt ? { ended: sessionsEndedAt } : {}),
  };
}

export function createFeeds({ db, watch, log }: Options): Feeds {
  const messages = db.collection<MessageRecord>("messages");
  let odd = false;

  /** What was written past every server may be no message at all; the others must not wait behind it. */
  function readable(record: MessageRecord): Message[] {
    try {
      const message = toMessage(record);
      if (!(message.timestamp instanceof Date)) throw new TypeError("its timestamp is no date");
      return [message];
    } catch (error) {
      if (!odd)
        log.warn({ _id: String(record?._id), err: error }, "A stored message cannot be read, and is told to nobody");
      odd = true;
      return [];
    }
  }

  return {
    messages: (tell, onLive) =>
      watch({
        collection: messages,
        pipeline: messagePipeline,
        onChange(change) {
          if (change.operationType === "insert") for (const message of readable(change.fullDocument)) tell(message);
        },
        onLive: (live, reason) => onLive(live, reason !== "afresh"),
        log,
      }),
    standings: (tell, onLive) =>
      watch({
        collection: db.collection<UserRecord>("users"),
        pipeline: standingPipeline,
        onChange(document) {
          const change = standingChange(document);
          if (change) tell(change);
        },
        onLive: (live, reason) => onLive(live, reason !== "afresh"),
        log,
      }),
    async messagesSince(rooms, since, most) {
      const newest = await messages
        .find({ channel: { $in: rooms }, timestamp: { $gte: since } }, { projection: ofMessage })
        .sort({ timestamp: -1, _id: -1 })
        .limit(most)
        .toArray();
      return newest.reverse().flatMap(readable);
    },
  };
}
