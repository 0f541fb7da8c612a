import type { L1, Loaded } from "./l1.ts";
import type { Cache, CacheEventSource, Read, RequestResult } from "./types.ts";

/** What was made from the entries of one key. */
export interface Derived<T> {
  readonly value: T;
  readonly from: RequestResult;
}

export interface Made<T> {
  readonly value: T;
  readonly bytes: number;
}

/** Where what was made from a version of a key is kept for all instances. */
export interface DerivedStore<T> {
  /** What is kept, and of which version it was made. */
  get(key: string): Promise<(Made<T> & { version: string }) | undefined>;
  /** Aside; never fails. */
  put(key: string, made: Made<T>, version: string, ttlMs: number): void;
}

export interface DerivedOptions<Entry, T extends object> {
  cache: Cache<Entry>;
  l1: L1;
  /** Names what is made, among other things that are made from the same cache. */
  name: string;
  make(read: Read<Entry>, key: string): Promise<Made<T>> | Made<T>;
  store?: DerivedStore<T>;
  events?: CacheEventSource;
}

export interface DerivedCache<T> {
  /** At once when it is in memory. Rejects as `cache.read` does. */
  read(key: string): Derived<T> | Promise<Derived<T>>;
}

interface Held<T> extends Derived<T> {
  readonly bytes: number;
  readonly version: string | undefined;
  /** Afterwards its version must be looked at again. */
  readonly until: number;
}

/**
 * Something made once per version of a key: from memory, or as other instances have left it in Redis, or from the entries.
 * What is in memory is dropped by whoever hears of changes; `bounded` caches, where not every change is told, are asked
 * for their version in between.
 */
export function createDerived<Entry, T extends object>(options: DerivedOptions<Entry, T>): DerivedCache<T> {
  const { cache, l1, name, make, store, events } = options;
  const { freshness } = cache;
  const space = l1.space<Held<T>>(name);
  const bounded = freshness.class === "bounded";
  const trustMs = bounded ? freshness.ms : Number.POSITIVE_INFINITY;
  const kept = freshness.class !== "strict";
  /** In the last part of its time it is made anew aside, so that nobody who could have it has to wait for the next. */
  const aheadMs = bounded ? trustMs / 4 : 0;

  /** Of a bounded one much is changed that nobody needs to be told of; what is told comes as a drop. */
  function watch(key: string): () => boolean {
    const generation = cache.generation(key);
    return () => bounded || cache.generation(key) === generation;
  }

  const loaded = (held: Held<T>, ttlMs: number, unchanged: () => boolean): Loaded<Held<T>> => ({
    value: held,
    bytes: held.bytes,
    ttlMs: kept ? ttlMs : 0,
    unchanged,
  });

  /** What is there already and still the newest, be it here or in Redis. */
  async function renewed(
    key: string,
    before: Held<T> | undefined,
    asked: number,
  ): Promise<Loaded<Held<T>> | undefined> {
    if ((!before && !store) || !(await cache.sure(asked))) return undefined;
    const begun = performance.now();
    const unchanged = watch(key);
    const [stamp, there] = await Promise.all([cache.stamp(key, asked), before ? undefined : store?.get(key)]);
    const known = before ?? there;
    if (!stamp || known?.version !== stamp.version) return undefined;
    events?.emit("request", { cache: cache.name, key, result: "redis", seconds: (performance.now() - begun) / 1_000 });
    const { value, bytes, version } = known;
    return loaded({ value, bytes, version, from: "redis", until: asked + trustMs }, stamp.ttlMs, unchanged);
  }

  async function remade(key: string, asked: number): Promise<Loaded<Held<T>>> {
    const unchanged = watch(key);
    const read = await cache.read(key, undefined, asked);
    const { value, bytes } = await make(read, key);
    const { version, ttlMs, from } = read;
    if (version !== undefined && ttlMs > 0) store?.put(key, { value, bytes }, version, ttlMs);
    return loaded(
      { value, bytes, version, from, until: asked + trustMs },
      version === undefined ? 0 : ttlMs,
      unchanged,
    );
  }

  return {
    read(key) {
      const now = performance.now();
      if (!cache.on) return remade(key, now).then(({ value }) => value);
      const full = cache.redisKey(key);
      const before = space.get(full);
      const load = () =>
        space.load(full, async () => {
          // Not when the first of those who wait for it asked.
          const begun = performance.now();
          return (await renewed(key, space.get(full), begun)) ?? remade(key, begun);
        });
      if (before && now < before.until && cache.believed) {
        if (now >= before.until - aheadMs) load().catch(() => undefined);
        events?.emit("request", { cache: cache.name, key, result: "l1", seconds: 0 });
        return { value: before.value, from: "l1" };
      }
      return load();
    },
  };
}
