import { type Model, type QueryFilter, Types } from "mongoose";
import type { ReadFrom } from "../../cache/types.ts";
import type { Clock } from "../../kernel/clock.ts";
import { byTime, type MessageCache, newestFirst } from "../caches/messages.ts";
import { byText } from "../caches/order.ts";
import { marksAsked, type Past, pastIn, type WhisperCache, whispersFor, whispersOf } from "../caches/whispers.ts";
import { ofMessage } from "../changes.ts";
import type { MessageRecord } from "../models/message.ts";
import type { Emoji } from "./emoji.ts";
import { refuse } from "./errors.ts";
import { messagesIn, toMessage } from "./records.ts";
import { placedMessage, timeOf, toldTime } from "./stored.ts";
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
  return {
    $or: [...kinds, ...own].map((kind) => ({
      channel: room,
      ...older,
      ...kind,
      $and: [placedMessage],
    })),
  };
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
    timestamp: { ...toldTime, $lte: timestamp },
    $nor: [{ timestamp, _id: { $gte: new Types.ObjectId(id) } }],
  };
}

interface Options {
  messages: Model<MessageRecord>;
  historyLimit: number;
  clock: Clock;
  emoji: Pick<Emoji, "used">;
  cache?: MessageCache | undefined;
  whispers?: WhisperCache | undefined;
}

/** What somebody may see of a channel's end. */
interface Newest {
  /** The newest first. */
  readonly all: Message[];
  /** Whether there are older ones; undefined: that is not known. */
  readonly more: boolean | undefined;
  readonly from: ReadFrom;
}

/** Whether something of that time and id comes before a message. */
export function isBefore({ at, id }: { at: number; id: string }, message: Message): boolean {
  const time = message.timestamp.getTime();
  return at < time || (at === time && byText(id, message.id) < 0);
}

export function createMessages({ messages, historyLimit, clock, emoji, cache, whispers }: Options): Messages {
  /** The newest private ones of `reader`, newest first, for merging into what everybody sees; undefined when none can tell where. */
  async function ownPrivate(room: string, reader: string, limit: number): Promise<Message[] | undefined> {
    const sides = [{ author: reader }, { target: reader }];
    const found = await messages.collection
      .find<MessageRecord>({
        $or: sides.map((side) => ({ channel: room, type: "private", ...placedMessage, ...side })),
      })
      .project<MessageRecord>(ofMessage)
      .sort(newestFirst)
      .limit(limit)
      .toArray();
    // Without a time they stand before all others, whatever time is shown of them.
    return found.every(({ timestamp }) => timeOf(timestamp)) ? messagesIn(found) : undefined;
  }

  /** Undefined when it is not known, so that MongoDB must be asked. */
  async function pastOf(room: string, reader: string, asked: number): Promise<Past | undefined> {
    if (!whispers || !(await whispers.sure(asked))) return undefined;
    return pastIn((await whispers.read(room, whispersFor(reader), asked)).entries, reader);
  }

  /** The newest `limit` that `reader` may see; undefined without the cache. */
  async function newest(room: string, reader: string, limit: number): Promise<Newest | undefined> {
    if (!cache?.on) return undefined;
    const asked = performance.now();
    const { entries, from } = await cache.read(room, undefined, asked);
    // After them: marks that are older would not tell of what was said to the reader before the last of them.
    const past = await pastOf(room, reader, marksAsked(from, asked));
    const shownFrom = entries[limit - 1]?.timestamp.getTime() ?? Number.NEGATIVE_INFINITY;
    const latest = past ? past.latest : Number.POSITIVE_INFINITY;
    const mayBeOwn = latest !== undefined && latest >= shownFrom;
    const own = mayBeOwn ? await ownPrivate(room, reader, limit + 1) : [];
    if (!own) return undefined;
    const all = own.length === 0 ? entries : [...entries, ...own].sort((a, b) => byTime(b, a));
    const last = entries.at(-1);
    const deeper = past?.older !== undefined && last !== undefined && isBefore(past.older, last);
    const whole = entries.length < historyLimit && (mayBeOwn || latest === undefined);
    const more = all.length > limit || deeper ? true : whole ? false : undefined;
    return { all: all.slice(0, limit), more, from };
  }

  async function store(record: MessageRecord): Promise<Message> {
    await messages.collection.insertOne(record);
    return toMessage(record);
  }

  /** Stores it, and what it means for everybody's list, or for the two whom it concerns, goes to Redis. */
  function keep(record: MessageRecord): Promise<Message> {
    const { channel: room } = record;
    if (record.type === "private" && whispers)
      return whispers.write(room, async () => ({ result: await store(record), entries: whispersOf(record) }));
    if (record.type === "private" || !cache) return store(record);
    return cache.write(room, async () => {
      const result = await store(record);
      return { result, entries: [result] };
    });
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
      const stored = await keep(record);
      if (type !== "system") emoji.used(text);
      return stored;
    },
    async recent(room, reader) {
      const known = await newest(room, reader, historyLimit);
      if (known) return known.all.reverse();
      const found = await messages
        .find(visibleTo(room, reader), ofMessage)
        .sort(newestFirst)
        .limit(historyLimit)
        .lean<MessageRecord[]>();
      return messagesIn(found.reverse());
    },
    async wasSaid(room, text, since) {
      const line = { channel: { $eq: room }, type: "system" as const, text, timestamp: { $gte: since } };
      return (await messages.exists(line)) !== null;
    },
    async page(room, reader, { before, limit }, told) {
      const known = before === undefined && limit <= historyLimit ? await newest(room, reader, limit) : undefined;
      if (known && known.more !== undefined) {
        told?.(known.from);
        const shown = known.all.reverse();
        const [oldest] = shown;
        return { messages: shown, before: known.more && oldest ? cursorOf(oldest) : null };
      }
      told?.("bypass");
      const older = before === undefined ? {} : olderThan(before);
      const found = await messages
        .find(visibleTo(room, reader, older), ofMessage)
        .sort(newestFirst)
        .limit(limit + 1)
        .lean<MessageRecord[]>();
      const page = messagesIn(found.slice(0, limit).reverse());
      const oldest = page[0];
      return { messages: page, before: found.length > limit && oldest ? cursorOf(oldest) : null };
    },
  };
}
