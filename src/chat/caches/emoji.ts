import type { Model } from "mongoose";
import type { Declaration } from "../../cache/declaration.ts";
import type { Element, Shape } from "../../cache/shapes/shape.ts";
import type { ByIds, Cache } from "../../cache/types.ts";
import type { EmojiRecord } from "../models/emoji.ts";
import { countOf, isUse, toldCount } from "../services/stored.ts";
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
        const { operationType } = change;
        const counted =
          operationType === "insert"
            ? change.fullDocument.count
            : operationType === "update"
              ? change.updateDescription.updatedFields?.count
              : undefined;
        if (!countOf(counted)) return { key: "", drop: "emoji were counted past this server" };
        const id = "documentKey" in change ? String(change.documentKey._id) : "";
        return { key: "", id, version: counted, exact: true };
      },
    },
  };
}
