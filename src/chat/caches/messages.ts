import type { ChangeStreamDocument, Document } from "mongodb";
import type { Model, Types } from "mongoose";
import type { Declaration, Followed } from "../../cache/declaration.ts";
import type { Element, Shape } from "../../cache/shapes/shape.ts";
import type { Cache } from "../../cache/types.ts";
import { SluiceError } from "../../kernel/errors.ts";
import { messageChanges, ofMessage, type SeenMessage, touchedBy } from "../changes.ts";
import type { MessageRecord } from "../models/message.ts";
import { messagesIn } from "../services/records.ts";
import { isMessage, placedMessage, textOf, timeOf } from "../services/stored.ts";
import type { Message } from "../services/types.ts";
import { byText } from "./order.ts";

export type MessageCache = Cache<Message>;

export const newestFirst = { timestamp: -1, _id: -1 } as const;
/** Everybody's. */
const kinds = [{ type: "public" as const }, { type: "system" as const }, { type: null }];
export const commonOf = (room: string) => ({
  $or: kinds.map((kind) => ({ channel: room, ...placedMessage, ...kind })),
});

export const byTime = (a: Message, b: Message) => a.timestamp.getTime() - b.timestamp.getTime() || byText(a.id, b.id);

function element(message: Message): Element {
  if (message.type === "private") throw new SluiceError("PRIVATE", "A private message is nobody else's");
  const { id, author, room, text, type, target, timestamp } = message;
  const rank = timestamp.toISOString();
  return { id, text: JSON.stringify({ id, author, room, text, type, target, timestamp }), rank };
}

function entry({ text }: Element): Message {
  const message = JSON.parse(text);
  return { ...message, timestamp: new Date(message.timestamp) };
}

interface Options {
  messages: Model<MessageRecord>;
  shape: Shape<never>;
  ttlSeconds: number;
  historyLimit: number;
}

/** `cache:messages:recent:<channel>`: its newest public and system messages. Private ones are never in it. */
export function messageDeclaration({
  messages,
  shape,
  ttlSeconds,
  historyLimit,
}: Options): Declaration<Message, never> {
  async function channelOf(id: Types.ObjectId): Promise<string | undefined> {
    const found = await messages.collection.findOne({ _id: id }, { projection: { channel: 1 } });
    return textOf(found?.channel);
  }

  async function read(change: ChangeStreamDocument<Document>): Promise<Followed<Message> | undefined> {
    const seen = change as unknown as SeenMessage;
    const { operationType, documentKey, fullDocument } = seen;
    if (operationType === "delete") return { gone: String(documentKey?._id) };
    if (operationType === "insert" && fullDocument) {
      if (!isMessage(fullDocument)) return undefined;
      const common = kinds.some(({ type }) => type === (fullDocument.type ?? null));
      if (!common) return undefined;
      const key = fullDocument.channel;
      // Its place is before all others, where MongoDB has it, and not at the time that is shown of it.
      if (!timeOf(fullDocument.timestamp)) return { key, drop: "a message without a time was stored past this server" };
      return { key, entries: messagesIn([fullDocument]) };
    }
    if (operationType !== "update" || !documentKey) return { everything: "messages were changed past this server" };
    const touched = touchedBy(seen);
    if (touched.includes("channel")) return { everything: "a message was moved past this server" };
    if (!touched.some((name) => name in ofMessage)) return undefined;
    const room = await channelOf(documentKey._id);
    return room === undefined ? undefined : { key: room, drop: "a message was changed past this server" };
  }

  return {
    name: "messages",
    shape,
    key: (room) => `cache:messages:recent:${room}`,
    ttlSeconds,
    freshness: { class: "own-writes" },
    async load(room) {
      const newest = await messages
        .find(commonOf(room), ofMessage)
        .sort(newestFirst)
        .limit(historyLimit)
        .readConcern("majority")
        .lean<MessageRecord[]>();
      return messagesIn(newest);
    },
    id: ({ id }) => id,
    element,
    entry,
    version: () => 0,
    compare: (a, b) => byTime(b, a),
    keyless: true,
    follow: { collection: "messages", pipeline: messageChanges, read },
  };
}
