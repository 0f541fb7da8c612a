import type { Model } from "mongoose";
import type { Declaration } from "../../cache/declaration.ts";
import type { Element, Shape } from "../../cache/shapes/shape.ts";
import type { ByIds, Cache } from "../../cache/types.ts";
import type { EmojiRecord } from "../models/emoji.ts";
import { isUse, textOf, toldCount } from "../services/stored.ts";
import { byText } from "./order.ts";

/** An emoji, and how often it has been used in messages. */
export interface EmojiUse {
  readonly emoji: string;
  readonly count: number;
}

export type EmojiCache = Cache<EmojiUse, ByIds>;

/** Those of them that are counts of an emoji. */
export const usesIn = (found: readonly EmojiRecord[]): EmojiUse[] =>
  found.filter(isUse).map(({ _id, count }) => ({ emoji: _id, count }));
/** For queries: all that were ever used. */
export const everUsed = { count: toldCount };
const byUse = (a: EmojiUse, b: EmojiUse) => b.count - a.count || byText(a.emoji, b.emoji);

function element({ emoji, count }: EmojiUse): Element {
  return { id: emoji, text: String(count) };
}

interface Options {
  counts: Model<EmojiRecord>;
  shape: Shape<ByIds>;
  ttlSeconds: number;
}

/** `cache:emoji:classics`: every emoji that was ever used, and how often. The count is its own version: it only grows. */
export function emojiDeclaration({ counts, shape, ttlSeconds }: Options): Declaration<EmojiUse, ByIds> {
  return {
    name: "emoji",
    shape,
    key: () => "cache:emoji:classics",
    ttlSeconds,
    freshness: { class: "bounded", ms: 1_000 },
    async load() {
      const all = await counts.find(everUsed).sort({ count: -1, _id: 1 }).readConcern("majority").lean<EmojiRecord[]>();
      return usesIn(all);
    },
    byIds: (ids) => ({ ids }),
    id: ({ emoji }) => emoji,
    element,
    entry: ({ id, text }) => ({ emoji: id, count: Number(text) }),
    version: ({ count }) => count,
    compare: byUse,
    follow: {
      collection: "emoji_counts",
      read(change) {
        if (change.operationType !== "insert" && change.operationType !== "update")
          return { key: "", drop: "emoji were counted past this server" };
        const id = textOf(change.documentKey._id as unknown as string);
        if (id === undefined) return undefined;
        const fields =
          change.operationType === "insert" ? change.fullDocument : (change.updateDescription.updatedFields ?? {});
        const { count } = fields;
        return isUse({ _id: id, count }) ? { key: "", id, version: count, exact: true } : { key: "", adopt: id };
      },
      async adopt(_key, ids) {
        return usesIn(await counts.find({ _id: { $in: [...ids] } }).lean<EmojiRecord[]>());
      },
    },
  };
}
