import type { ChangeStreamDocument, Document, ResumeToken } from "mongodb";
import { createBackoff } from "../kernel/backoff.ts";
import { pause } from "../kernel/pause.ts";
import { within } from "./bounded.ts";
import type { Watcher, WatchOptions, WatchReason } from "./watch.ts";

/** One of those who share a stream: its own line of changes, its own failures, its own place in the store. */
export interface Line extends Watcher {
  /** Where it was, by its own store; whoever has none, or comes later, follows from when it is first live. */
  load(): Promise<ResumeToken | undefined>;
  /** Never waits and never throws, whatever becomes of the change here. */
  take(change: ChangeStreamDocument): void;
  follow(live: boolean, reason: WatchReason): void;
  /** The stream has come to this place; it is stored once everything before it has been applied here. */
  reached(token: ResumeToken): void;
  look(): void;
}

const closeMs = 500;
const saveMs = 2_000;

export function createLine(options: WatchOptions<Document>, stream: () => Watcher, most: number): Line {
  const { collection, onChange, onLive, resume, log, behindMs = 1_000 } = options;
  const name = collection.collectionName;
  const stop = new AbortController();
  const backoff = createBackoff({ baseMs: 200, maxMs: 2_000 });
  let line: { change: ChangeStreamDocument; at: number }[] = [];
  let working: Promise<void> | undefined;
  /** Nothing is known of the time before it is live. */
  let fresh = true;
  let live = false;
  let reason: WatchReason = "starting";
  let wrong: "behind" | "broken" | "history lost" | undefined;
  /** What the stream said while something was wrong here. */
  let unsaid: WatchReason | undefined;
  let owed: ResumeToken | undefined;
  let saving: Promise<void> | undefined;
  let unsaved = false;

  function tell(nowLive: boolean, why: WatchReason, error?: unknown): void {
    if (live === nowLive && reason === why) return;
    live = nowLive;
    reason = why;
    if (error)
      log.warn({ collection: name, err: error }, `A change of ${name} could not be applied; it is tried again`);
    try {
      onLive?.(nowLive, why);
    } catch (failure) {
      log.error({ collection: name, err: failure }, "A listener to the state of a change stream failed");
    }
  }

  function suffer(what: NonNullable<typeof wrong>, error?: unknown): void {
    wrong = what;
    if (live || error) tell(false, what, error);
  }

  /** Everything that has come is applied. */
  function settle(): void {
    if (owed !== undefined && !saving) save(owed);
    const after = unsaid ?? (wrong === "broken" ? "resumed" : "caught up");
    const mended = wrong !== undefined || fresh;
    wrong = undefined;
    if (!mended || stop.signal.aborted || !stream().live) return;
    tell(true, fresh ? "afresh" : after);
    unsaid = undefined;
    fresh = false;
  }

  function save(token: ResumeToken): void {
    owed = undefined;
    saving = within(saveMs, resume?.save(token) ?? Promise.resolve())
      .then(() => {
        unsaved = false;
      })
      .catch((error: unknown) => {
        if (!unsaved) log.warn({ collection: name, err: error }, "A resume token was not stored; it is tried again");
        unsaved = true;
      })
      .finally(() => {
        saving = undefined;
        if (owed !== undefined && line.length === 0) save(owed);
      });
  }

  async function work(): Promise<void> {
    for (let first = line[0]; first && !stop.signal.aborted; first = line[0]) {
      try {
        await onChange(first.change);
        backoff.reset();
        if (line[0] === first) line.shift();
      } catch (error) {
        if (stop.signal.aborted || line[0] !== first) continue;
        suffer("broken", error);
        await pause(backoff.next(), stop.signal);
      }
    }
    working = undefined;
    settle();
  }

  const waitsMs = () => (line[0] ? performance.now() - line[0].at : 0);

  return {
    async load() {
      if (!resume) return undefined;
      const stored = await within(saveMs, resume.load());
      const known = typeof stored === "object" && stored !== null ? stored : undefined;
      fresh = known === undefined;
      return known;
    },
    take(change) {
      if (fresh || stop.signal.aborted) return;
      if (line.length >= most) {
        line = [];
        fresh = true;
        return suffer("history lost", new Error(`${most} changes waited to be applied`));
      }
      line.push({ change, at: performance.now() });
      working ??= work();
    },
    follow(nowLive, why) {
      if (!nowLive) return tell(false, why);
      if (wrong !== undefined) {
        if (unsaid !== "afresh") unsaid = why;
        return;
      }
      tell(true, fresh || unsaid === "afresh" ? "afresh" : why);
      unsaid = undefined;
      fresh = false;
    },
    reached(token) {
      if (!resume || fresh || stop.signal.aborted) return;
      if (line.length > 0 || saving) owed = token;
      else save(token);
    },
    look() {
      if (live && waitsMs() > behindMs) suffer("behind");
      if (!working && fresh) settle();
    },
    async close() {
      stop.abort();
      await within(closeMs, Promise.allSettled([working, saving])).catch(() => undefined);
      tell(false, "closed");
    },
    get live() {
      return live && stream().live && waitsMs() <= behindMs;
    },
    get reason() {
      return reason;
    },
    get lagMs() {
      return fresh ? Number.POSITIVE_INFINITY : Math.max(stream().lagMs, waitsMs());
    },
  };
}
