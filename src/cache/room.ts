import { setMaxListeners } from "node:events";
import type { Db } from "mongodb";
import { type Clock, systemClock } from "../kernel/clock.ts";
import { createEvents } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import { type EpochTiming, usualEpochTiming } from "../mongo/epoch.ts";
import type { EpochLooks } from "../mongo/epoch-looks.ts";
import type { WatchCollection, Watcher } from "../mongo/watch.ts";
import type { RedisDoor } from "../redis/types.ts";
import { createAuditor } from "./auditor.ts";
import { type CacheParts, createCache, type Kept } from "./cache.ts";
import type { Declaration } from "./declaration.ts";
import { createDoubts } from "./doubts.ts";
import { createFollower, type Follower } from "./follower.ts";
import { keepJournal } from "./journal.ts";
import type { L1, L1Space } from "./l1.ts";
import { type HashOptions, hashShape } from "./shapes/hash.ts";
import { type ListOptions, listShape } from "./shapes/list.ts";
import type { Shape } from "./shapes/shape.ts";
import { zsetShape } from "./shapes/zset.ts";
import { createTrust } from "./trust.ts";
import { createTurnstile } from "./turnstile.ts";
import type { ByIds, ByScore, Cache, CacheEventSource, CacheEvents } from "./types.ts";
import { keepWarm, type WarmStep } from "./warm-up.ts";

export interface CacheRoomOptions {
  db: Db;
  door: RedisDoor;
  log: Log;
  /** How the collections are followed; each by a change stream of its own, unless told. */
  watch?: WatchCollection;
  /** How the epoch is looked at; by looks of its own, unless told. */
  looks?: EpochLooks;
  /** Who fills has so long before others may. */
  leaseMs: number;
  /** So long others wait for who fills. */
  waitMs: number;
  /** So many loads from MongoDB at once. */
  loads: number;
  /** Percent of the answers from Redis that are compared with MongoDB. */
  auditPercent: number;
  /** Names this process in what is kept of each key's events. */
  serverId: string;
  /** The operator's switch of each cache. */
  isOn: (name: string) => boolean;
  /** Whether anybody here reads; so it is, unless told. */
  reads?: () => boolean;
  clock?: Clock;
  timing?: Partial<EpochTiming>;
}

interface Shapes {
  hash(options: Omit<HashOptions, "door">): Shape<ByIds>;
  zset(options: Omit<HashOptions, "door">): Shape<ByIds | ByScore>;
  list(options: Omit<ListOptions, "door">): Shape<never>;
}

/** All caches of a process: they share what tells whether Redis may be believed, and the cap on loads. */
export interface CacheRoom {
  readonly events: CacheEventSource;
  readonly all: ReadonlyMap<string, Cache<unknown, never>>;
  readonly streams: ReadonlyMap<string, Watcher>;
  /** The kinds of structures, on this room's Redis. */
  readonly shapes: Shapes;
  create<Entry, Slice = never>(declaration: Declaration<Entry, Slice>): Cache<Entry, Slice>;
  /** Fills these at the start, and after an outage. */
  keepWarm(steps: readonly WarmStep[]): void;
  /** What is read from Redis is kept here, too, for as long as Redis says that it is still the same. */
  keepIn(l1: L1): void;
  /** Somebody has turned switches. */
  switched(): void;
  /** Puts right what is in doubt; before the memory is closed, through which others are told. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

export function createCacheRoom(options: CacheRoomOptions): CacheRoom {
  const { db, door, log, clock = systemClock, isOn, reads = () => true } = options;
  const events = createEvents<CacheEvents>();
  const timing = { ...usualEpochTiming, ...options.timing };
  const trust = createTrust({ db, door, clock, timing, looks: options.looks, log, events, reads });
  const { over } = trust;
  const doubts = createDoubts({ over, everyMs: timing.doubt / 10, patienceMs: 2 * timing.doubt, log });
  const turnstile = createTurnstile(options.loads);
  const stop = new AbortController();
  // As many keys may be waited for as there are channels.
  setMaxListeners(0, stop.signal);
  const all = new Map<string, Cache<unknown, never>>();
  const streams = new Map<string, Watcher>();
  const followers: Follower[] = [];
  const forgets: (() => void)[] = [];
  const wasOn = new Map<string, boolean>();
  let near: L1Space<object> | undefined;

  const usable = (name: string) => isOn(name) && door.state !== "disabled";

  function create<Entry, Slice>(declaration: Declaration<Entry, Slice>): Cache<Entry, Slice> {
    const { name } = declaration;
    if (all.has(name)) throw new Error(`There is a cache "${name}" already`);
    const on = () => usable(name);
    let follower: Follower | undefined;
    const parts: CacheParts<Entry, Slice> = createCache({
      ...options,
      declaration,
      trust,
      turnstile,
      events,
      on,
      followed: () => follower?.behind,
      onHit: (key, slice) => audit(key, slice),
      doubts,
      kept: () => near as L1Space<Kept<Entry>> | undefined,
      signal: stop.signal,
    });
    const { audited = (entries: readonly Entry[]) => entries, load, loadSlice } = declaration;
    const image = (entries: readonly Entry[], others: readonly Entry[]) =>
      new Map(
        audited(entries, others)
          .map(declaration.element)
          .map(({ id, text }) => [id, text]),
      );
    const audit = createAuditor<Slice>({
      cache: name,
      percent: options.auditPercent,
      // Of many entries a page is read at a time; all of them each time would be what the process is busy with.
      async both(key, slice) {
        const some = loadSlice ? slice : undefined;
        const there = await parts.look(key, some);
        if (!there) return undefined;
        const is = await turnstile(() => (loadSlice && some !== undefined ? loadSlice(key, some) : load(key)));
        return { redis: image(there, is), mongo: image(is, there) };
      },
      heal: (key) => parts.writes.drop(key, "it differed from MongoDB", true),
      events,
      signal: stop.signal,
    });
    follower = createFollower({
      db,
      watch: options.watch,
      declaration,
      writes: parts.writes,
      trust,
      gone: parts.gone,
      versions: parts.versions,
      on,
      log,
    });
    if (follower) {
      followers.push(follower);
      streams.set(`cache:${name}`, follower.watcher);
    }
    forgets.push(parts.forget);
    wasOn.set(name, isOn(name));
    all.set(name, parts.cache as unknown as Cache<unknown, never>);
    return parts.cache;
  }

  const endJournal = keepJournal({
    door,
    events,
    by: options.serverId,
    redisKey: (cache, key) => all.get(cache)?.redisKey(key),
  });

  events.on("cleared", () => {
    for (const forget of forgets) forget();
  });

  return {
    events,
    all,
    streams,
    shapes: {
      hash: (shape) => hashShape({ door, ...shape }),
      zset: (shape) => zsetShape({ door, ...shape }),
      list: (shape) => listShape({ door, ...shape }),
    },
    create,
    keepWarm: (steps) => keepWarm({ events, steps, signal: stop.signal, log }),
    keepIn(l1) {
      near = l1.space("entries");
    },
    switched() {
      for (const name of all.keys()) {
        const now = isOn(name);
        // While it was off, nobody here told Redis of anything.
        if (now && !wasOn.get(name)) trust.renew(`the cache ${name} was switched on`, "now");
        if (now !== wasOn.get(name)) events.emit("cleared", { why: `the cache ${name} was switched` });
        wasOn.set(name, now);
      }
    },
    finish: doubts.finish,
    async close() {
      stop.abort();
      endJournal();
      await Promise.allSettled(followers.map((follower) => follower.close()));
      await trust.close();
    },
  };
}
