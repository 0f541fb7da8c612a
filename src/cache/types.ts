import type { Events } from "../kernel/events.ts";

/** redis: as stored there. mongo: loaded because Redis had it not. bypass: Redis was not asked. */
export type ReadFrom = "redis" | "mongo" | "bypass";
export type RequestResult = "l1" | ReadFrom;

/**
 * strict: what was revoked is so everywhere within 100 ms. own-writes: who wrote sees it at once, others within the delay of
 * the bus. bounded: at most `ms` old; nothing derived from it may be kept longer, and what changes only an `unseen` field is not told.
 */
export type Freshness =
  | { readonly class: "strict" }
  | { readonly class: "own-writes" }
  | { readonly class: "bounded"; readonly ms: number };

export interface Read<Entry> {
  /** Ordered as the declaration says. */
  readonly entries: readonly Entry[];
  readonly from: ReadFrom;
  /** Another one whenever the content in Redis may be another; never seen again. Undefined when it cannot be told. */
  readonly version: string | undefined;
  /** What is left of its life in Redis; 0 when it is not there. */
  readonly ttlMs: number;
  /** Of the key when the read began: what is derived may be kept only while `generation(key)` is still the same. */
  readonly generation: number;
}

/** What `read` would find, without the content. */
export interface Stamp {
  readonly version: string;
  readonly ttlMs: number;
}

/** Some of the entries, by id; unknown ids are left out. */
export interface ByIds {
  readonly ids: readonly string[];
}

/** Entries by falling score, then falling id, after the one named. */
export interface ByScore {
  readonly count: number;
  readonly after?: { readonly score: number; readonly id: string };
}

/**
 * One cache in front of MongoDB. `key` is what the declaration makes a Redis key of: a channel's id, or "" where there is
 * but one key. Nothing here rejects because of Redis; what `load` throws is passed on.
 */
export interface Cache<Entry, Slice = never> {
  readonly name: string;
  readonly freshness: Freshness;
  /** The operator's switch, and whether there is a Redis at all. While off, nothing is sent to Redis. */
  readonly on: boolean;
  /** Why Redis is not believed, for longer than a look at MongoDB may be late; undefined while it is. */
  readonly doubt: string | undefined;
  /** What was read from Redis, and is kept, may be shown at once. */
  readonly believed: boolean;
  /** Whether Redis is believed by who asked at `since`, or asks now; that is waited for where a look at MongoDB will tell it. */
  sure(since: number): Promise<boolean>;
  redisKey(key: string): string;
  /** `since`: when it was asked for, where that is earlier. */
  read(key: string, slice?: Slice, since?: number): Promise<Read<Entry>>;
  /** Undefined when `read` would not answer from Redis. */
  stamp(key: string, since?: number): Promise<Stamp | undefined>;
  /** Raised at each change of the key that is known here, and once more when Redis has it. */
  generation(key: string): number;
  /**
   * A write: `work` changes MongoDB and answers what the entries are after it, which then go to Redis. The promise ends when
   * Redis has them, or when the key is no longer believed.
   */
  write<T>(key: string, work: () => Promise<{ result: T; entries: readonly Entry[] }>): Promise<T>;
  /** The same for entries that are known to be in MongoDB, as they are there now. */
  wrote(key: string, entries: readonly Entry[]): Promise<void>;
  /** Something of it was deleted, or changed by somebody who keeps no versions. */
  drop(key: string, why: string): Promise<void>;
  /** A write to it failed, which MongoDB may have taken, or may take yet: it goes at once, and again when that is over. */
  doubted(key: string): Promise<void>;
  /** Another instance, or the bus, tells that it has changed: derived values here are old. Sends nothing. */
  heard(key: string): void;
}

export type CacheEvents = {
  /** One per read; also to be emitted by an L1, with its own result. */
  request: { cache: string; key: string; result: RequestResult; seconds: number };
  /** lost: the lease was over. refused: Redis cannot say it (ids twice, another order). */
  fill: {
    cache: string;
    key: string;
    result: "complete" | "lost" | "refused" | "failed";
    entries: number;
    bytes: number;
    seconds: number;
  };
  /** Somebody waited for another's fill. */
  wait: { cache: string; key: string; result: "redis" | "mongo"; seconds: number };
  push: {
    cache: string;
    key: string;
    result: "changed" | "same" | "missing" | "failed";
    entries: number;
    bytes: number;
  };
  drop: { cache: string; key: string; why: string; ok: boolean };
  /** Redis gave no answer that may be used. */
  error: { cache: string; key: string; what: "read" | "fill" | "push" | "drop"; reason: string };
  /** A hit was compared with MongoDB; `ageMs`: how long it has been seen to differ. */
  audit: { cache: string; key: string; stale: boolean; ageMs: number };
  /**
   * It has changed and Redis has it (or has it no longer): derived values are old. `here`: this instance wrote it, so the
   * others are to be told; else the change stream brought it, as it does to every instance.
   */
  changed: { cache: string; key: string; version: string | undefined; here: boolean };
  /** Everything derived from any cache may be old. */
  cleared: { why: string };
  /** Where caches are read from, whenever that changes. */
  trust: { from: "redis" | "mongo"; reason: string };
};

export type CacheEventSource = Events<CacheEvents>;
