import { Types } from "mongoose";
import type { ChannelRecord } from "../models/channel.ts";
import type { EmojiRecord } from "../models/emoji.ts";
import type { MessageRecord } from "../models/message.ts";
import type { UserRecord } from "../models/user.ts";

/**
 * What MongoDB holds may have been written past every server. A field that is not of its kind counts as absent; a document
 * without what tells it from others, or decides its place among them, is nobody's: it is in no answer, cached or not.
 */

const earliest = new Date(0);
const latest = new Date("9999-12-31T23:59:59.999Z");

/** For queries: what `timeOf` can read. Text, numbers and what is missing are of other types, and never match. */
export const toldTime = { $gt: earliest, $lte: latest } as const;
/** For queries: what `toldTime` does not match; each side alone, for no index is used for what is not between two. */
export const untold = (field: string) => ({
  $or: [{ [field]: { $not: { $gt: earliest } } }, { [field]: { $gt: latest } }],
});
/** For queries: a name that somebody can be called by. */
export const toldName = { $gt: "" } as const;
/** For queries: a count that is no more than what a number tells exactly. */
export const toldCount = { $gt: 0, $lte: Number.MAX_SAFE_INTEGER } as const;

/** For queries: the driver's ids, and no list, which MongoDB takes for whatever is in it, and sorts by that. */
const single = (...fields: string[]) => [
  { _id: { $not: { $type: "objectId" as const } } },
  ...fields.map((field) => ({ [field]: { $type: "array" as const } })),
];
const ofPlace = ["channel", "type", "author", "target", "timestamp"] as const;
export const singleUser = { $nor: single("nickname", "lastActive") };
/** Old messages lack a time, and stand before all others. */
export const placedMessage = { $nor: [...single(...ofPlace), { timestamp: { $ne: null, $not: toldTime } }] };

/** One beyond what a date of JavaScript can tell is NaN. */
export const dateOf = (value: unknown): Date | undefined =>
  value instanceof Date && !Number.isNaN(value.getTime()) ? value : undefined;

/** A time whose text sorts as it does, and which a cursor can carry. */
export function timeOf(value: unknown): Date | undefined {
  const date = dateOf(value);
  return date && date > earliest && date <= latest ? date : undefined;
}

export const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;

export const countOf = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;

export const textOf = <T extends string>(value: T | null | undefined): T | undefined =>
  typeof value === "string" && value.length > 0 ? value : undefined;

export const isId = (value: unknown): value is Types.ObjectId => value instanceof Types.ObjectId;
export const madeAt = (_id: unknown): Date => (isId(_id) ? _id.getTimestamp() : earliest);

export const isUser = ({ _id, nickname, lastActive }: Pick<UserRecord, "_id" | "nickname" | "lastActive">): boolean =>
  isId(_id) && textOf(nickname) !== undefined && !Array.isArray(lastActive);

export const isChannel = ({ id }: Pick<ChannelRecord, "id">): boolean => textOf(id) !== undefined;

export const isUse = ({ _id, count }: EmojiRecord): boolean =>
  textOf(_id) !== undefined && typeof count === "number" && count > 0 && count <= Number.MAX_SAFE_INTEGER;

const kinds: readonly unknown[] = ["public", "private", "system", null];

/** It stands where its time says, or where those without one do. */
export const isTimed = ({ timestamp }: Pick<MessageRecord, "timestamp">): boolean =>
  (timestamp ?? null) === null || timeOf(timestamp) !== undefined;

export function isMessage(record: Omit<MessageRecord, "text">): boolean {
  const { _id, channel, type = null } = record;
  const placed = textOf(channel) !== undefined && kinds.includes(type) && isTimed(record);
  return placed && isId(_id) && !ofPlace.some((field) => Array.isArray(record[field]));
}
