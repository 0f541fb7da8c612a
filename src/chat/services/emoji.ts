import type { Model } from "mongoose";
import type { ReadFrom } from "../../cache/types.ts";
import { messageOf } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { type EmojiCache, type EmojiUse, everUsed, usesIn } from "../caches/emoji.ts";
import type { EmojiRecord } from "../models/emoji.ts";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
// As text, for the compiler's target knows no /v.
const onlyEmoji = "^\\p{RGI_Emoji}$";
const known = new RegExp(onlyEmoji, "v");
const colourful = /\p{Emoji_Presentation}|\p{Extended_Pictographic}\u{FE0F}/u;
const perhaps = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u{20E3}/u;

/** The emoji of a text, each as often as it is there; a family, a flag or a skin tone is one. */
function emojiIn(text: string): string[] {
  if (!perhaps.test(text)) return [];
  const found: string[] = [];
  for (const { segment } of graphemes.segment(text))
    if (known.test(segment) || (perhaps.test(segment) && colourful.test(segment))) found.push(segment);
  return found;
}

/** How often each emoji is used: counted in MongoDB, many messages in one write. */
export interface Emoji {
  /** Notes what a stored message contains; written a moment later. */
  used(text: string): void;
  /** The most used first. */
  classics(limit: number, told?: (from: ReadFrom) => void): Promise<EmojiUse[]>;
  close(): Promise<void>;
}

interface Options {
  counts: Model<EmojiRecord>;
  cache?: EmojiCache | undefined;
  log: Log;
}

/** Beyond so many different ones that wait for MongoDB, further ones are not counted. */
const most = 5_000;
const everyMs = 1_000;

export function createEmoji({ counts, cache, log }: Options): Emoji {
  let waiting = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let failing = false;

  function add(emoji: string, times: number): void {
    if (waiting.size < most || waiting.has(emoji)) waiting.set(emoji, (waiting.get(emoji) ?? 0) + times);
  }

  async function write(): Promise<void> {
    const going = waiting;
    waiting = new Map();
    if (going.size === 0) return;
    const ids = [...going.keys()];
    const writes = [...going].map(([_id, count]) => ({
      updateOne: { filter: { _id }, update: { $inc: { count } }, upsert: true },
    }));
    try {
      await counts.bulkWrite(writes, { ordered: false });
      failing = false;
    } catch (error) {
      // Some may have been counted: again would be twice.
      if (!failing) log.warn({ err: messageOf(error) }, "Emoji could not be counted; those of a moment are lost");
      failing = true;
      return cache?.drop("", "emoji were counted, or not");
    }
    if (!cache?.on) return;
    const now = await counts.find({ _id: { $in: ids } }).lean<EmojiRecord[]>();
    await cache.wrote("", usesIn(now));
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const complain = (error: unknown) => log.warn({ err: messageOf(error) }, "Counts of emoji could not be read back");
    writing = writing.then(write).catch(complain);
    return writing;
  }

  return {
    used(text) {
      for (const emoji of emojiIn(text)) add(emoji, 1);
      if (waiting.size === 0 || timer) return;
      timer = setTimeout(() => void flush(), everyMs);
      timer.unref();
    },
    async classics(limit, told) {
      if (cache) {
        const { entries, from } = await cache.read("");
        told?.(from);
        return entries.slice(0, limit);
      }
      told?.("bypass");
      const found = await counts.find(everUsed).sort({ count: -1, _id: 1 }).limit(limit).lean<EmojiRecord[]>();
      return usesIn(found);
    },
    close: flush,
  };
}
