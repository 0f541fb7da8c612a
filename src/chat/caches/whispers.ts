import type { ChangeStreamDocument, Document } from "mongodb";
import type { Model, Types } from "mongoose";
import type { Declaration, Followed } from "../../cache/declaration.ts";
import type { Element, Shape } from "../../cache/shapes/shape.ts";
import type { ByIds, Cache, RequestResult } from "../../cache/types.ts";
import { messageChanges, type SeenMessage, touchedBy } from "../changes.ts";
import type { MessageRecord } from "../models/message.ts";
import { isMessage, madeAt, placedMessage, textOf, timeOf } from "../services/stored.ts";
import { commonOf, newestFirst } from "./messages.ts";

/**
 * What the newest messages of a channel do not say, and never a word of what was written. `=<nickname>`: when somebody's
 * newest private message was. `since`: those before are not all known, 0 where all are. `older`: one before the newest ones.
 */
export interface Whisper {
  readonly id: string;
  readonly at: number;
  /** Of the message that says so, where that is known. */
  readonly message?: string;
}

export type WhisperCache = Cache<Whisper, ByIds>;

/** What one reader needs to know of a channel. */
export interface Past {
  /** Their private messages are of this time at the latest; undefined: they have none. */
  readonly latest: number | undefined;
  readonly older: { readonly at: number; readonly id: string } | undefined;
}

const sinceId = "since";
const olderId = "older";
/** Beyond so many, the older ones are told by their time alone. */
const mostWhispers = 1_000;

const idOf = (nickname: string) => `=${nickname}`;
const saidAt = ({ _id, timestamp }: Pick<MessageRecord, "_id" | "timestamp">) =>
  (timeOf(timestamp) ?? madeAt(_id)).getTime();

/**
 * From when on what is believed of them must have been looked at: a page from a cache is as new as its question, and one that
 * took its time in MongoDB may show what was said long after that.
 */
export const marksAsked = (from: RequestResult, asked: number): number =>
  from === "l1" || from === "redis" ? asked : performance.now();

export const whispersFor = (reader: string): ByIds => ({ ids: [idOf(reader), sinceId, olderId] });

/** What there is to know of a private message: whose it is, and when it was. */
export function whispersOf(
  record: Pick<MessageRecord, "_id" | "author" | "timestamp"> & { target?: string | null },
): Whisper[] {
  const people = new Set([record.author, record.target].filter((name) => typeof name === "string"));
  return [...people].map((name) => ({ id: idOf(name), at: saidAt(record), message: String(record._id) }));
}

export function pastIn(entries: readonly Whisper[], reader: string): Past {
  const found = (id: string) => entries.find((entry) => entry.id === id);
  // Without it nothing is known of anybody.
  const since = found(sinceId)?.at ?? Number.POSITIVE_INFINITY;
  const known = [found(idOf(reader))?.at, since === 0 ? undefined : since].filter((at) => at !== undefined);
  const older = found(olderId);
  return {
    latest: known.length > 0 ? Math.max(...known) : undefined,
    older: older?.message === undefined ? undefined : { at: older.at, id: older.message },
  };
}

function element({ id, at, message }: Whisper): Element {
  return { id, text: id === olderId ? JSON.stringify({ at, message }) : String(at) };
}

function entry({ id, text }: Element): Whisper {
  return id === olderId ? { id, ...JSON.parse(text) } : { id, at: Number(text) };
}

/** Of each person the newest, and nothing that only one of the two can know. */
function audited(entries: readonly Whisper[], others: readonly Whisper[]): Whisper[] {
  const since = Math.max(...[...entries, ...others].map(({ id, at }) => (id === sinceId ? at : 0)));
  return entries.filter(({ id, at }) => id.startsWith("=") && at > since);
}

const telling = ["author", "target", "timestamp", "type", "channel"];
const fields = { author: 1, target: 1, timestamp: 1, channel: 1, type: 1 } as const;

interface Options {
  messages: Model<MessageRecord>;
  shape: Shape<ByIds>;
  ttlSeconds: number;
  historyLimit: number;
}

/** `cache:messages:whispers:<channel>`: who has private messages in it. Whoever has none need not be looked for in MongoDB. */
export function whisperDeclaration(options: Options): Declaration<Whisper, ByIds> {
  const { messages, shape, ttlSeconds, historyLimit } = options;
  const reading = { readConcern: "majority" } as const;

  async function load(room: string): Promise<Whisper[]> {
    const [privates, [older]] = await Promise.all([
      messages.collection
        .find<MessageRecord>({ channel: room, type: "private", ...placedMessage }, { projection: fields, ...reading })
        .sort(newestFirst)
        .limit(mostWhispers)
        .toArray(),
      messages.collection
        .find<MessageRecord>(commonOf(room), { projection: { timestamp: 1 }, ...reading })
        .sort(newestFirst)
        .skip(historyLimit)
        .limit(1)
        .toArray(),
    ]);
    const people = new Map<string, Whisper>();
    for (const one of privates.filter(isMessage).flatMap(whispersOf))
      if ((people.get(one.id)?.at ?? Number.NEGATIVE_INFINITY) < one.at) people.set(one.id, one);
    const oldest = privates[mostWhispers - 1];
    const since = { id: sinceId, at: oldest ? Math.max(1, saidAt(oldest)) : 0 };
    const before = older ? [{ id: olderId, at: saidAt(older), message: String(older._id) }] : [];
    return [...people.values(), since, ...before];
  }

  async function channelOf(id: Types.ObjectId): Promise<string | undefined> {
    const found = await messages.collection.findOne({ _id: id }, { projection: { channel: 1 } });
    return textOf(found?.channel);
  }

  async function read(change: ChangeStreamDocument<Document>): Promise<Followed<Whisper> | undefined> {
    const seen = change as unknown as SeenMessage;
    const { operationType, documentKey, fullDocument } = seen;
    if (operationType === "delete") return { gone: String(documentKey?._id) };
    if (operationType === "insert" && fullDocument)
      return fullDocument.type === "private" && isMessage(fullDocument)
        ? { key: fullDocument.channel, entries: whispersOf(fullDocument) }
        : undefined;
    if (operationType !== "update" || !documentKey) return { everything: "messages were changed past this server" };
    if (!touchedBy(seen).some((name) => telling.includes(name))) return undefined;
    const room = await channelOf(documentKey._id);
    return room === undefined ? undefined : { key: room, drop: "a message was changed past this server" };
  }

  return {
    name: "whispers",
    shape,
    key: (room) => `cache:messages:whispers:${room}`,
    ttlSeconds,
    freshness: { class: "own-writes" },
    load,
    pick: (entries, { ids }) => entries.filter(({ id }) => ids.includes(id)),
    id: ({ id }) => id,
    documents: ({ message }) => (message === undefined ? [] : [message]),
    element,
    entry,
    version: ({ at }) => at,
    compare: () => 0,
    audited,
    keyless: true,
    follow: { collection: "messages", pipeline: messageChanges, read },
  };
}
