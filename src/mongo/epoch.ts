import { randomInt } from "node:crypto";
import type { Db } from "mongodb";
import { withoutBudget } from "../kernel/budget.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { within } from "./bounded.ts";
import { createEpochLooks, type EpochDocument, type EpochLooks, epochsOf } from "./epoch-looks.ts";
import { duplicateKey } from "./errors.ts";

/** now: others trust copies that are wrong. useful: before this instance reads from Redis again. */
export type Urgency = "now" | "useful";

/**
 * A copy is trusted only when it was written in the current epoch: one number in MongoDB. Raising it makes every copy
 * in Redis old at once, whatever Redis has lost, kept or brought back.
 */
export interface Epoch {
  /** 0 until it has been read. What is written carries the epoch known before MongoDB was asked. */
  readonly value: number;
  /** The same as it stands in a copy. */
  readonly text: string;
  /** Read so lately that nothing raised longer ago is missed. */
  fresh(now: number): boolean;
  /** A new one is due: no copy is trusted here until it has been made. */
  readonly due: boolean;
  /** `beyond`: one that was met somewhere, and must not be met again. */
  renew(why: string, urgency: Urgency, beyond?: number): void;
  /** MongoDB has answered since then for so long that a write which went without an answer cannot happen any more. */
  settled(since: number): boolean;
  /** Reads it again; who asks during a read gets one that begins afterwards. */
  refresh(): Promise<void>;
  /** Ends when it is fresh for who asked at `since`, or when a look at it does not help, or takes too long. */
  known(since: number): Promise<void>;
  close(): Promise<void>;
}

/** How soon things happen, in ms. */
export interface EpochTiming {
  /** Between two looks at it. */
  readonly epochPoll: number;
  /** A look counts for so long. */
  readonly epochTrust: number;
  /** Who asks waits for a look that is late for so long. */
  readonly epochWait: number;
  /** Between two bumps, in the whole fleet. */
  readonly bumpEvery: number;
  /** A write that MongoDB neither took nor refused may still happen for so long after MongoDB answers again. */
  readonly doubt: number;
}

/**
 * A look may take as long as the trust leaves beyond the time between two, or who asks waits for it: on a busy machine 50 ms
 * were too few. What one instance knows holds on every other when the bump has been waited for and the trust has lapsed:
 * within 1.5 s, and for who shares what another began to read a moment before, that moment later.
 */
export const usualEpochTiming: EpochTiming = {
  epochPoll: 350,
  epochTrust: 450,
  epochWait: 750,
  bumpEvery: 1_000,
  doubt: 1_500,
};

export interface EpochOptions {
  db: Db;
  id: string;
  /** Shared with the other epochs of the process; looks of its own, unless told. */
  looks?: EpochLooks | undefined;
  /** What the copies are of, for the log. */
  of: string;
  clock: Clock;
  timing: EpochTiming;
  log: Log;
  /** Another one is known; `bumped`: made here. */
  onChange: (change: { epoch: number; bumped: boolean; reason: string }) => void;
  /** Whether Redis is used at all; while not, nothing is asked. */
  wanted: () => boolean;
  /** Whether this instance could read from Redis but for the epoch. */
  useful: () => boolean;
  /** A new one has become due. */
  onDue: () => void;
}

/**
 * The next generation is no less than the time in seconds: a restored backup must not bring an epoch back. What follows
 * it is drawn by lot: databases whose apps share a Redis, and lose it in the same second, must not come to the same epoch.
 */
const perGeneration = 1_000_000;
const generationOf = (value: number) => Math.floor(value / perGeneration);
const seconds = (clock: Clock) => Math.floor(clock.now() / 1_000);

const deadlineMs = 2_000;
const unmeasured = Number.NEGATIVE_INFINITY;

export function createEpoch(options: EpochOptions): Epoch {
  const { db, id, looks = createEpochLooks(db), of, clock, timing, log, onChange, wanted, useful } = options;
  const epochs = epochsOf(db);
  const due = new Map<Urgency, { since: number; whys: Set<string> }>();
  let value = 0;
  /** That was met so far. */
  let highest = 0;
  let text = "0 ";
  let readAt = unmeasured;
  let missing = false;
  let raisedAt = unmeasured;
  /** What was seen last while it is being raised here. */
  let raising: { last?: () => void } | undefined;
  let changedAt = unmeasured;
  let answersSince = unmeasured;
  let lookedAt = unmeasured;
  let failing = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> | undefined;

  /** Since when it can be made; Infinity while it cannot. */
  const ripeAt = (urgency: Urgency, since: number) =>
    urgency === "now" || useful() ? since : Number.POSITIVE_INFINITY;

  /** A new epoch was made at `at` or later. */
  function cover(at: number): void {
    for (const [urgency, { since }] of due) if (since <= at) due.delete(urgency);
  }

  function adopt(read: number, from: number, made: { at: number; here: boolean; why: string }): void {
    if (read !== value) {
      cover(made.at);
      value = read;
      highest = Math.max(highest, read);
      text = `${read} `;
      changedAt = performance.now();
      onChange({ epoch: read, bumped: made.here, reason: made.why });
    }
    readAt = Math.max(readAt, from);
  }

  /** By whomever. What was found while it was raised here may be from before. */
  function seen(found: EpochDocument | undefined, from: number): void {
    if (raising) raising.last = () => seen(found, from);
    if (closed || raising || from < readAt) return;
    missing = !found;
    if (!found || (found.value < value && from < raisedAt)) return;
    // The one before was still read at `readAt`, so this one was made after that.
    adopt(found.value, from, { at: readAt, here: false, why: found.why });
    answered();
    lookedAt = Math.max(lookedAt, from);
    if (!working) schedule();
  }

  async function read(look: () => Promise<void>): Promise<void> {
    await look();
    if (missing) await raise("there was none");
  }

  async function raise(why: string): Promise<void> {
    const from = performance.now();
    const raised = Math.max(generationOf(highest) + 1, seconds(clock)) * perGeneration + randomInt(perGeneration);
    const set = { value: raised, at: new Date(clock.now()), why };
    const how = { upsert: true, writeConcern: { w: "majority" } } as const;
    const mine: NonNullable<typeof raising> = {};
    raising = mine;
    try {
      await within(deadlineMs, epochs.updateOne({ _id: id, value }, { $set: set }, how));
      raisedAt = performance.now();
      missing = false;
      adopt(raised, from, { at: from, here: true, why });
      log.debug({ epoch: raised, why }, `A new epoch of ${of}: every copy in Redis is read anew from MongoDB`);
    } catch (error) {
      if (!duplicateKey(error)) throw error;
    } finally {
      raising = undefined;
      mine.last?.();
    }
    // Somebody else was sooner.
    if (value !== raised) await looks.afresh();
  }

  function answered(): void {
    if (failing || answersSince === unmeasured) answersSince = performance.now();
    if (failing) log.info({}, `The epoch of ${of} can be read again`);
    failing = false;
  }

  async function attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      answered();
    } catch (error) {
      const words = `The epoch of ${of} cannot be read; ${of} are read from MongoDB until it can`;
      if (!failing && !closed) log.warn({ err: error }, words);
      failing = true;
      answersSince = Number.POSITIVE_INFINITY;
    }
  }

  const fresh = (now: number) => value > 0 && now - readAt <= timing.epochTrust;

  async function known(since: number): Promise<void> {
    const end = since + timing.epochWait;
    // One may have been under way for too long; whatever begins when it has ended is late enough.
    for (let look = 0; look < 2; look += 1) {
      const leftMs = end - performance.now();
      if (closed || failing || due.size > 0 || fresh(since) || leftMs <= 0) return;
      await within(leftMs, attempt(looks.soon)).catch(() => undefined);
    }
  }

  const leave = looks.join(id, seen);
  const refresh = () => (closed ? Promise.resolve() : attempt(() => read(looks.afresh)));

  /** How long until what is due may be made: others may have made one a moment ago. */
  function raiseIn(): number {
    const now = performance.now();
    const ripe = [...due].map(([urgency, { since }]) => ripeAt(urgency, since));
    return Math.max(Math.min(...ripe), changedAt + timing.bumpEvery) - now;
  }

  async function work(): Promise<void> {
    lookedAt = performance.now();
    if (!wanted()) return;
    await attempt(() => read(looks.soon));
    if (failing || due.size === 0 || raiseIn() > 0) return;
    const whys = new Set([...due.values()].flatMap((one) => [...one.whys]));
    await attempt(() => raise([...whys].join(", ")));
  }

  function schedule(): void {
    if (closed) return;
    clearTimeout(timer);
    // From the beginning of the last look on: a slow one must not put off the next, or what is known gets stale between.
    const nextLook = Math.max(0, lookedAt + timing.epochPoll - performance.now());
    const nextRaise = wanted() && due.size > 0 && !failing ? Math.max(0, raiseIn()) : nextLook;
    timer = setTimeout(
      () => {
        working = withoutBudget(work).finally(() => {
          working = undefined;
          schedule();
        });
      },
      Math.min(nextRaise, nextLook),
    );
    timer.unref();
  }

  schedule();

  return {
    get value() {
      return value;
    },
    get text() {
      return text;
    },
    fresh,
    known,
    get due() {
      return due.size > 0;
    },
    settled: (since) => readAt >= Math.max(since, answersSince) + timing.doubt,
    renew(why, urgency, beyond = 0) {
      highest = Math.max(highest, beyond);
      const one = due.get(urgency) ?? { since: 0, whys: new Set() };
      one.since = performance.now();
      one.whys.add(why);
      due.set(urgency, one);
      options.onDue();
      if (!working) schedule();
    },
    refresh,
    async close() {
      closed = true;
      leave();
      clearTimeout(timer);
      await Promise.allSettled([working]);
    },
  };
}

/** By an operator: everything that was written before becomes old at once, on every instance. Answers the new epoch. */
export async function raiseEpoch(db: Db, id: string, clock: Clock, why: string): Promise<number> {
  const at = new Date(clock.now());
  const known = { $floor: { $divide: [{ $ifNull: ["$value", 0] }, perGeneration] } };
  const generation = { $max: [{ $add: [known, 1] }, seconds(clock)] };
  const next = { $add: [{ $multiply: [generation, perGeneration] }, randomInt(perGeneration)] };
  const raised = await epochsOf(db).findOneAndUpdate(
    { _id: id },
    [{ $set: { value: { $toDouble: next }, at, why: { $literal: why } } }],
    {
      upsert: true,
      returnDocument: "after",
      writeConcern: { w: "majority" },
    },
  );
  return raised?.value ?? 0;
}
