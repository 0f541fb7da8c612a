import { setTimeout as pause } from "node:timers/promises";
import type { ChangeStream, ChangeStreamDocument, Collection, Document, ResumeToken } from "mongodb";
import { createBackoff } from "../kernel/backoff.ts";
import type { Log } from "../kernel/log.ts";
import { within } from "./bounded.ts";
import { createProgress } from "./watch-progress.ts";
import { createTokenKeeper, type TokenStore } from "./watch-token.ts";

/**
 * afresh: it follows from now on, nothing is known of the time before. resumed, caught up: nothing was missed.
 * behind: more than `behindMs`. broken: the connection, or `onChange`, failed; it goes on where it was.
 * history lost: where it was is no longer known to MongoDB (or the collection was dropped); `afresh` follows.
 */
export type WatchReason =
  | "starting"
  | "afresh"
  | "resumed"
  | "caught up"
  | "behind"
  | "broken"
  | "history lost"
  | "no replica set"
  | "closed";

export interface Watcher {
  /** Everything acknowledged `behindMs` ago has been applied here. */
  readonly live: boolean;
  readonly reason: WatchReason;
  /** Infinity until it has followed for the first time. */
  readonly lagMs: number;
  close(): Promise<void>;
}

export interface WatchOptions<T extends Document> {
  collection: Collection<T>;
  pipeline?: Document[];
  /** Changes come one by one, in order, at least once; one that fails is brought again. */
  onChange(change: ChangeStreamDocument<T>): void | Promise<void>;
  onLive?(live: boolean, reason: WatchReason): void;
  resume?: TokenStore;
  log: Log;
  behindMs?: number;
}

export type WatchCollection = <T extends Document>(options: WatchOptions<T>) => Watcher;

const awaitMs = 250;
const stuckMs = 10_000;
const unsupportedMs = 30_000;

class HistoryLost extends Error {}

// 286 history lost, 280 fatal, 260 and 9 a token that this deployment does not know.
const lost = new Set([286, 280, 260, 9]);

function reasonOf(error: unknown, resuming: boolean): WatchReason {
  const { code, message = "" } = error as { code?: unknown; message?: string };
  if (code === 40573 || message.includes("only supported on replica sets")) return "no replica set";
  if (error instanceof HistoryLost || (resuming && typeof code === "number" && lost.has(code))) return "history lost";
  return "broken";
}

/** Changes that have arrived and not been taken. The driver before 7, which an app may bring, only has it in the cursor. */
function waiting(stream: { bufferedCount?(): number }): number {
  const { cursor } = stream as { cursor?: { bufferedCount(): number } };
  return stream.bufferedCount?.() ?? cursor?.bufferedCount() ?? 0;
}

/** Follows the changes of a collection until closed: never throws, never ends by itself, always tells how far behind it is. */
export function watchCollection<T extends Document>(options: WatchOptions<T>): Watcher {
  const { collection, pipeline = [], onChange, onLive, log, behindMs = 1_000 } = options;
  const name = collection.collectionName;
  const stop = new AbortController();
  const progress = createProgress(() => performance.now());
  const keeper = createTokenKeeper(options.resume, log, name);
  let stream: ChangeStream<T> | undefined;
  let token: ResumeToken | undefined;
  let live = false;
  let reason: WatchReason = "starting";
  /** Since it began anew, nothing has shown yet that it hears of everything. */
  let anew = false;
  let whenCaughtUp: WatchReason = "afresh";
  const backoff = createBackoff({ baseMs: 200, maxMs: 2_000 });

  function tell(nowLive: boolean, why: WatchReason, error?: unknown): void {
    if (live === nowLive && reason === why) return;
    const fields = { collection: name, ...(error ? { err: error } : {}) };
    const first = reason === "starting" && why !== "broken";
    const routine = first || why === "behind" || why === "caught up" || why === "closed";
    const level = routine ? "debug" : nowLive || why === "no replica set" ? "info" : "warn";
    log[level](fields, `The change stream of ${name}: ${why}`);
    live = nowLive;
    reason = why;
    try {
      onLive?.(nowLive, why);
    } catch (failure) {
      log.error({ collection: name, err: failure }, "A listener to the state of a change stream failed");
    }
  }

  function caughtUp(): void {
    backoff.reset();
    if (live || progress.lagMs() > behindMs) return;
    tell(true, whenCaughtUp);
    anew = false;
    whenCaughtUp = "caught up";
  }

  async function followOnce(): Promise<void> {
    token = await keeper.load(token);
    anew ||= token === undefined;
    whenCaughtUp = anew ? "afresh" : "resumed";
    const session = collection.db.client.startSession({ causalConsistency: false });
    const resumeAfter = token ? { resumeAfter: token } : {};
    const opened = collection.watch<T, ChangeStreamDocument<T>>(pipeline, {
      maxAwaitTimeMS: awaitMs,
      session,
      ...resumeAfter,
    });
    stream = opened;
    try {
      while (!stop.signal.aborted) {
        const asks = waiting(opened) === 0;
        const askedAt = performance.now();
        // One dead connection must not end the following for good.
        const change = await within(stuckMs, opened.tryNext());
        if (asks) progress.replied(askedAt, session);
        if (change) await onChange(change);
        if (opened.closed) throw new HistoryLost("the collection was dropped or renamed");
        token = opened.resumeToken ?? token;
        if (waiting(opened) === 0 && progress.applied(token)) caughtUp();
        if (!anew) await keeper.keep(token, change !== null);
      }
    } finally {
      void opened.close().catch(() => undefined);
      void session.endSession().catch(() => undefined);
    }
  }

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await followOnce();
      } catch (error) {
        if (stop.signal.aborted) return;
        const why = reasonOf(error, token !== undefined);
        if (why === "history lost") token = undefined;
        tell(false, why, error);
        const ms = why === "no replica set" ? unsupportedMs : backoff.next();
        await pause(ms, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
      }
    }
  }

  const watchdog = setInterval(() => {
    if (live && progress.lagMs() > behindMs) tell(false, "behind");
  }, 100);
  watchdog.unref();
  const following = follow();

  return {
    get live() {
      return live && progress.lagMs() <= behindMs;
    },
    get reason() {
      return reason;
    },
    get lagMs() {
      return progress.lagMs();
    },
    async close() {
      stop.abort();
      clearInterval(watchdog);
      // A frozen MongoDB answers neither; what is left ends with its client.
      await within(500, Promise.allSettled([stream?.close(), following])).catch(() => undefined);
      await keeper.flush();
      tell(false, "closed");
    },
  };
}
