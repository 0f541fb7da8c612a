import type { Document, ResumeToken } from "mongodb";
import { type WatchCollection, type Watcher, type WatchOptions, watchCollection } from "./watch.ts";
import { createLine, type Line } from "./watch-line.ts";

interface Shared {
  join(options: WatchOptions<Document>): Watcher;
  serves(options: WatchOptions<Document>): boolean;
}

export interface SharingOptions {
  watch?: WatchCollection;
  /** Whoever has not applied so many changes begins afresh, so that the memory is not filled. */
  mostWaiting?: number;
}

const lookMs = 100;

/** A token begins with its time. */
const orderOf = (token: ResumeToken) => String((token as { _data?: unknown })._data);
const oldest = (tokens: ResumeToken[]) => tokens.reduce((a, b) => (orderOf(b) < orderOf(a) ? b : a));

function openShared({ collection, pipeline, log }: WatchOptions<Document>, sharing: Required<SharingOptions>): Shared {
  const lines = new Set<Line>();
  let over = false;

  const stream = sharing.watch<Document>({
    collection,
    ...(pipeline && { pipeline }),
    onChange(change) {
      for (const line of lines) line.take(change);
    },
    onLive(live, reason) {
      for (const line of lines) line.follow(live, reason);
    },
    resume: {
      async load() {
        // Those who are wired together come together, and it begins where the last of them was.
        await new Promise((resolve) => setImmediate(resolve));
        const tokens = await Promise.all([...lines].map((line) => line.load()));
        const known = tokens.filter((token) => token !== undefined);
        return known.length > 0 ? oldest(known) : undefined;
      },
      async save(token) {
        for (const line of lines) line.reached(token);
      },
    },
    log,
  });
  const timer = setInterval(() => {
    for (const line of lines) line.look();
  }, lookMs);
  timer.unref();

  async function leave(line: Line): Promise<void> {
    if (lines.size === 1 && lines.has(line)) {
      over = true;
      clearInterval(timer);
      await stream.close();
    }
    lines.delete(line);
    await line.close();
  }

  return {
    serves: (other) =>
      !over && other.collection.namespace === collection.namespace && other.pipeline === pipeline && other.log === log,
    join(options) {
      const line = createLine(options, () => stream, sharing.mostWaiting);
      lines.add(line);
      return {
        get live() {
          return line.live;
        },
        get reason() {
          return line.reason;
        },
        get lagMs() {
          return line.lagMs;
        },
        close: () => leave(line),
      };
    },
  };
}

/**
 * Followers of one collection with one and the same pipeline share one change stream. Each keeps its own line: who is slow
 * or fails waits, tries again or begins afresh alone, and the others hear everything meanwhile.
 */
export function shareStreams(options: SharingOptions = {}): WatchCollection {
  const sharing = { watch: watchCollection, mostWaiting: 10_000, ...options };
  const open: Shared[] = [];
  return (options) => {
    const asked = options as unknown as WatchOptions<Document>;
    const found = open.find((one) => one.serves(asked));
    if (found) return found.join(asked);
    const opened = openShared(asked, sharing);
    open.push(opened);
    return opened.join(asked);
  };
}
