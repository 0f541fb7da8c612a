import { LRUCache } from "lru-cache";
import { createSingleFlight, sharedMs } from "../kernel/single-flight.ts";

/** What was loaded, and how long it may be kept: never longer than where it came from keeps it. */
export interface Loaded<T> {
  readonly value: T;
  readonly bytes: number;
  /** 0: it is handed out and not kept. */
  readonly ttlMs: number;
  /** Whether nothing has changed since loading began, as far as its source knows. */
  unchanged?(): boolean;
}

export interface L1Stats {
  readonly entries: number;
  readonly bytes: number;
  readonly limitBytes: number;
  readonly stored: number;
  /** Loaded, but something had changed meanwhile. */
  readonly spoiled: number;
  readonly dropped: number;
  readonly evicted: number;
}

/** One kind of values in the memory that all kinds share. */
export interface L1Space<T extends object> {
  /** Undefined when it is not there, or when what is there may not be believed now. */
  get(key: string): T | undefined;
  /** Loads and keeps it; who asks for the same a moment later shares it, but for those who ask after a `drop`. */
  load(key: string, loading: () => Promise<Loaded<T>>): Promise<T>;
  /** What was loaded otherwise. */
  keep(key: string, loaded: Loaded<T>): void;
}

/** Values in this process's own memory, the least used of which make room. */
export interface L1 {
  space<T extends object>(name: string): L1Space<T>;
  /** What belongs to `key`, in every space: it has changed. What is being loaded now will not be kept. */
  drop(key: string): void;
  clear(): void;
  stats(): L1Stats;
}

export interface L1Options {
  /** 0: nothing is kept. */
  limitBytes: number;
  /** Whether changes are heard of now; while they are not, nothing is kept or taken from memory. */
  believed: () => boolean;
  /** What began to be loaded so long ago serves nobody who asks now. */
  shared?: number;
}

export function createL1({ limitBytes, believed, shared = sharedMs }: L1Options): L1 {
  const counts = { stored: 0, spoiled: 0, dropped: 0, evicted: 0 };
  const prefixes: string[] = [];
  const flights = createSingleFlight<object>(shared);
  /** What is being loaded; spoiled: something changed meanwhile. */
  const loads = new Map<string, { spoiled: boolean }>();
  const countEvicted = (_value: object, _key: string, reason: string) => {
    if (reason === "evict") counts.evicted += 1;
  };
  const kept =
    limitBytes > 0 ? new LRUCache<string, object>({ maxSize: limitBytes, disposeAfter: countEvicted }) : undefined;

  function spoil(full: string): void {
    flights.forget(full);
    const load = loads.get(full);
    if (!load) return;
    load.spoiled = true;
    loads.delete(full);
  }

  function keep<T extends object>(full: string, { value, bytes, ttlMs, unchanged }: Loaded<T>): void {
    if (!kept || ttlMs <= 0) return;
    // Once more: what could not be heard of meanwhile has spoiled nothing.
    if (!believed()) return;
    if (unchanged && !unchanged()) counts.spoiled += 1;
    else {
      kept.set(full, value, { ttl: ttlMs, size: Math.max(1, Math.ceil(bytes)) });
      counts.stored += 1;
    }
  }

  async function run<T extends object>(full: string, loading: () => Promise<Loaded<T>>): Promise<T> {
    const mayKeep = believed();
    const load = { spoiled: false };
    loads.set(full, load);
    try {
      const loaded = await loading();
      if (load.spoiled) counts.spoiled += 1;
      else if (mayKeep) keep(full, loaded);
      return loaded.value;
    } finally {
      if (loads.get(full) === load) loads.delete(full);
    }
  }

  return {
    space<T extends object>(name: string): L1Space<T> {
      const prefix = `${name} `;
      prefixes.push(prefix);
      return {
        get: (key) => (kept && believed() ? (kept.get(prefix + key) as T | undefined) : undefined),
        load: (key, loading) => flights.ask(prefix + key, () => run(prefix + key, loading)) as Promise<T>,
        keep: (key, loaded) => keep(prefix + key, loaded),
      };
    },
    drop(key) {
      for (const prefix of prefixes) {
        spoil(prefix + key);
        if (kept?.delete(prefix + key)) counts.dropped += 1;
      }
    },
    clear() {
      for (const full of [...loads.keys()]) spoil(full);
      kept?.clear();
    },
    stats: () => ({ ...counts, entries: kept?.size ?? 0, bytes: kept?.calculatedSize ?? 0, limitBytes }),
  };
}
