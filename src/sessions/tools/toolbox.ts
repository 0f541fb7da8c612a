import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Collection, Db } from "mongodb";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import { UnavailableError } from "../../kernel/errors.ts";
import { epochsOf } from "../../mongo/epoch-looks.ts";
import { silenceOf } from "../../redis/silence.ts";
import type { Answer, RedisDoor } from "../../redis/types.ts";
import { type Codec, type CodecOptions, createCodec } from "../codec.ts";
import { type Copies, createCopies } from "../stores/copies.ts";
import { endedCollection, type SessionDocument } from "../stores/documents.ts";
import { epochIdOf } from "../trust.ts";
import { createVersions, type Versions } from "../version.ts";

/** How far a tool has come. */
export interface Progress {
  readonly done: number;
  /** Absent: nobody knows before the end. */
  readonly total?: number;
}

export interface ToolOptions {
  /** Sessions a second at most. */
  rate?: number;
  onProgress?: (progress: Progress) => void;
  /** Ends the tool after what it is just doing. */
  signal?: AbortSignal;
}

/** What the tools work with, beside or inside a running server; unlike a store it changes nothing by being there. */
export interface Toolbox {
  readonly db: Db;
  readonly collection: string;
  readonly sessions: Collection<SessionDocument>;
  readonly door: RedisDoor;
  readonly prefix: string;
  readonly codec: Codec;
  readonly copies: Copies;
  readonly versions: Versions;
  readonly clock: Clock;
  readonly ttlSeconds: number;
  /** After so long a lease that nobody used is gone. */
  readonly leaseMs: number;
  /** Those that have not expired. */
  alive(): { $or: [{ expires: { $exists: false } }, { expires: { $gt: Date } }] };
  expiresOf(document: SessionDocument): number;
  /** The one that copies must carry to be believed; 0 before any server has used Redis. */
  epoch(): Promise<number>;
  /** Those of the ids that were destroyed while old servers might write them back, or Redis was out. */
  ended(ids: string[]): Promise<Set<string>>;
  /** What Redis answers; asks again while it does not, and throws when that takes too long or is to stop. */
  insist<T>(ask: () => Promise<Answer<T>>, signal?: AbortSignal): Promise<T>;
  /** Stands for a session wherever somebody may read it: its id is a key to somebody's account. */
  alias(id: string): string;
}

export interface ToolboxOptions extends CodecOptions {
  db: Db;
  door: RedisDoor;
  /** As given to the store. */
  collection?: string;
  prefix?: string;
  ttlSeconds?: number;
  clock?: Clock;
  /** The same salt gives a session the same alias in the next run. */
  aliasSalt?: string;
  /** How long Redis may be out before a tool gives up. */
  patienceMs?: number;
  leaseMs?: number;
}

const deadlineMs = 2_000;
const againMs = 20;
const never = new AbortController().signal;

/** The same, but nobody who has asked for the end waits for a Redis that gives no answer. */
export const endingWith = (box: Toolbox, signal: AbortSignal): Toolbox => ({
  ...box,
  insist: (ask) => box.insist(ask, signal),
});

export function createToolbox(options: ToolboxOptions): Toolbox {
  const { db, door, collection = "sessions", prefix = "session:", ttlSeconds = 86_400, clock = systemClock } = options;
  const { aliasSalt = randomBytes(16).toString("hex"), patienceMs = 15_000, leaseMs = 3_000 } = options;
  const sessions = db.collection<SessionDocument>(collection);
  const endedOnes = db.collection<{ _id: string }>(endedCollection(collection));
  const epochs = epochsOf(db);

  return {
    db,
    collection,
    sessions,
    door,
    prefix,
    clock,
    ttlSeconds,
    leaseMs,
    codec: createCodec(options),
    copies: createCopies({ door, prefix, leaseMs, deadlineMs }),
    versions: createVersions(clock, `t${randomBytes(4).toString("hex")}`),
    alive: () => ({ $or: [{ expires: { $exists: false } }, { expires: { $gt: new Date(clock.now()) } }] }),
    expiresOf: ({ expires }) => expires?.getTime() ?? clock.now() + ttlSeconds * 1_000,
    epoch: async () => (await epochs.findOne({ _id: epochIdOf(collection) }))?.value ?? 0,
    async ended(ids) {
      if (ids.length === 0) return new Set();
      const found = await endedOnes.find({ _id: { $in: ids } }, { projection: { _id: 1 } }).toArray();
      return new Set(found.map(({ _id }) => _id));
    },
    async insist(ask, signal = never) {
      const giveUp = performance.now() + patienceMs;
      for (;;) {
        const answer = await ask();
        if (answer.ok) return answer.value;
        const { reason, error } = answer;
        if (reason === "failed" && error) throw error;
        // While Redis comes back not every call is let through: what is begun is then ended all the same.
        const stopped = signal.aborted && door.state !== "up";
        if (reason === "disabled" || stopped || performance.now() > giveUp) {
          const why = await silenceOf(door);
          throw new UnavailableError(stopped ? `Stopped. ${why}` : why, { cause: error });
        }
        await pause(againMs);
      }
    },
    alias: (id) => createHash("sha256").update(aliasSalt).update(id).digest("hex").slice(0, 12),
  };
}
