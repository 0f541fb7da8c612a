import { type Model, type QueryFilter, Types } from "mongoose";
import type { Clock } from "../../kernel/clock.ts";
import { byTime, type MessageCache, messageFields, newestFirst } from "../caches/messages.ts";
import type { MessageRecord } from "../models/message.ts";
import type { Emoji } from "./emoji.ts";
import { refuse } from "./errors.ts";
import { toMessage } from "./records.ts";
import type { Message, Messages } from "./types.ts";

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

interface Options {
  messages: Model<MessageRecord>;
  historyLimit: number;
  clock: Clock;
  emoji: Pick<Emoji, "used">;
  cache?: MessageCache | undefined;
}

export function createMessages({ messages, historyLimit, clock, emoji, cache }: Options): Messages {
  /** The newest private ones of `reader`, newest first, for merging into what everybody sees. */
  async function ownPrivate(room: string, reader: string, limit: number): Promise<Message[]> {
    const sides = [{ author: reader }, { target: reader }];
    const found = await messages.collection
      .find<MessageRecord>({ $or: sides.map((side) => ({ channel: room, type: "private", ...side })) })
      .project<MessageRecord>(messageFields)
      .sort(newestFirst)
      .limit(limit)
      .toArray();
    return found.map(toMessage);
  }

  /** The newest that `reader` may see, oldest first, and whether there are none before them; undefined without the cache. */
  async function newest(room: string, reader: string, limit: number) {
    if (!cache?.on) return undefined;
    const [shared, own] = await Promise.all([cache.read(room), ownPrivate(room, reader, limit)]);
    const all = [...shared.entries, ...own].sort((a, b) => byTime(b, a));
    const whole = shared.entries.length < historyLimit && own.length < limit;
    return { all: all.slice(0, limit).reverse(), whole, from: shared.from };
  }

  async function store(record: MessageRecord): Promise<Message> {
    await messages.collection.insertOne(record);
    return toMessage(record);
  }

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
      const stored =
        type === "private" || !cache
          ? await store(record)
          : await cache.write(room, async () => {
              const result = await store(record);
              return { result, entries: [result] };
            });
      if (type !== "system") emoji.used(text);
      return stored;
    },
    async recent(room, reader) {
      const known = await newest(room, reader, historyLimit);
      if (known) return known.all;
      const found = await messages
        .find(visibleTo(room, reader), messageFields)
        .sort(newestFirst)
        .limit(historyLimit)
        .lean<MessageRecord[]>();
      return found.reverse().map(toMessage);
    },
    async page(room, reader, { before, limit }, told) {
      const known = before === undefined && limit <= historyLimit ? await newest(room, reader, limit + 1) : undefined;
      if (known && (known.all.length > limit || known.whole)) {
        told?.(known.from);
        const shown = known.all.slice(-limit);
        const [oldest] = shown;
        return { messages: shown, before: known.all.length > limit && oldest ? cursorOf(oldest) : null };
      }
      told?.("bypass");
      const older = before === undefined ? {} : olderThan(before);
      const found = await messages
        .find(visibleTo(room, reader, older), messageFields)
        .sort(newestFirst)
        .limit(limit + 1)
        .lean<MessageRecord[]>();
      const page = found.slice(0, limit).reverse().map(toMessage);
      const oldest = page[0];
      return { messages: page, before: found.length > limit && oldest ? cursorOf(oldest) : null };
    },
  };
}
