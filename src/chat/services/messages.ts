import { type Model, type QueryFilter, Types } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import type { MessageRecord } from "../models/message.ts";
import { refuse } from "./errors.ts";
import { toMessage } from "./records.ts";
import type { Messages } from "./types.ts";

const fields = { author: 1, text: 1, channel: 1, type: 1, target: 1, timestamp: 1 } as const;
const newestFirst = { timestamp: -1, _id: -1 } as const;

/**
 * What `reader` may see of a channel: everything but other people's private messages. Each kind is a branch of its own that
 * an index answers in order, so however many private messages of others lie between, they are never walked.
 */
export function visibleTo(
  room: string,
  reader: string,
  older: QueryFilter<MessageRecord> = {},
): QueryFilter<MessageRecord> {
  const kinds: QueryFilter<MessageRecord>[] = [{ type: "public" }, { type: "system" }, { type: null }];
  const own = [{ author: reader }, { target: reader }].map((side) => ({ type: "private" as const, ...side }));
  return { $or: [...kinds, ...own].map((kind) => ({ channel: room, ...older, ...kind })) };
}

export function cursorOf(message: { timestamp: Date; id: string }): string {
  return Buffer.from(`${message.timestamp.getTime()}.${message.id}`).toString("base64url");
}

function olderThan(cursor: string) {
  const [, ms, id] = /^(\d{1,15})\.([0-9a-f]{24})$/.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  if (!ms || !id) throw refuse.invalid("'before' is not a cursor of this server; take it from an earlier answer");
  const timestamp = new Date(Number(ms));
  // The bound on timestamp alone lets the index seek; the pair decides among equal times.
  return {
    timestamp: { $lte: timestamp },
    $nor: [{ timestamp, _id: { $gte: new Types.ObjectId(id) } }],
  };
}

export function createMessages(messages: Model<MessageRecord>, historyLimit: number, clock: Clock): Messages {
  return {
    async add({ author, room, text, type, target }) {
      const record: MessageRecord = {
        _id: new Types.ObjectId(),
        author,
        text,
        channel: room,
        type,
        target: target ?? null,
        timestamp: new Date(clock.now()),
        status: "delivered",
        replyTo: null,
      };
      await messages.collection.insertOne(record);
      return toMessage(record);
    },
    async recent(room, reader) {
      const newest = await messages
        .find(visibleTo(room, reader), fields)
        .sort(newestFirst)
        .limit(historyLimit)
        .lean<MessageRecord[]>();
      return newest.reverse().map(toMessage);
    },
    async page(room, reader, { before, limit }) {
      const older = before === undefined ? {} : olderThan(before);
      const found = await messages
        .find(visibleTo(room, reader, older), fields)
        .sort(newestFirst)
        .limit(limit + 1)
        .lean<MessageRecord[]>();
      const page = found.slice(0, limit).reverse().map(toMessage);
      const oldest = page[0];
      return { messages: page, before: found.length > limit && oldest ? cursorOf(oldest) : null };
    },
  };
}
