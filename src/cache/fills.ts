import { withoutBudget } from "../kernel/budget.ts";
import { pause } from "../kernel/pause.ts";
import { createSingleFlight } from "../kernel/single-flight.ts";
import type { RedisDoor } from "../redis/types.ts";
import { type Declaration, elementsOf } from "./declaration.ts";
import type { Marks } from "./marks.ts";
import { newToken } from "./state.ts";
import type { Turnstile } from "./turnstile.ts";
import type { CacheEventSource } from "./types.ts";

/** loaded: by this fill. ready: Redis has it now. failed: neither; MongoDB must be asked. */
export type Outcome<Entry> =
  | { readonly kind: "loaded"; readonly entries: Entry[]; readonly version: string | undefined; readonly ttlMs: number }
  | { readonly kind: "ready" | "failed" };

/** What is not in Redis is loaded once, by whoever gets the lease; the others of all instances wait a little for it. */
export interface Fills<Entry, Slice> {
  /** `hasty`: whoever has another way waits but a little. */
  fill(key: string, epoch: number, hasty: boolean): Promise<Outcome<Entry>>;
  /** From MongoDB, past Redis; those who ask at the same time share it. */
  load(key: string, slice: Slice | undefined): Promise<readonly Entry[]>;
}

export interface FillsOptions<Entry, Slice> {
  declaration: Declaration<Entry, Slice>;
  door: RedisDoor;
  generations: Marks;
  turnstile: Turnstile;
  events: CacheEventSource;
  leaseMs: number;
  /** How long another's fill is waited for. */
  waitMs: number;
  signal: AbortSignal;
  /** Redis may hold these there from now on. */
  onHeld: (key: string, entries: readonly Entry[]) => void;
}

const longestPauseMs = 40;

export function createFills<Entry, Slice>(options: FillsOptions<Entry, Slice>): Fills<Entry, Slice> {
  const { declaration, door, generations, turnstile, events, leaseMs, waitMs, signal, onHeld } = options;
  const { name: cache, shape, ttlSeconds } = declaration;
  const flights = new Map<string, Promise<Outcome<Entry>>>();
  const loading = createSingleFlight<readonly Entry[]>();

  async function failedAfter(ms: number): Promise<Outcome<Entry>> {
    await pause(ms, signal);
    return { kind: "failed" };
  }

  function troubled(key: string, reason: string): Outcome<Entry> {
    events.emit("error", { cache, key, what: "fill", reason });
    return { kind: "failed" };
  }

  async function loadUnderLease(key: string, token: string, epoch: number): Promise<Outcome<Entry>> {
    const redisKey = declaration.key(key);
    const begun = performance.now();
    const release = () => door.call("cache.release", (redis) => redis.unlink(shape.keys(redisKey)));
    const told = (result: "complete" | "lost" | "refused" | "failed", entries = 0, bytes = 0) => {
      const seconds = (performance.now() - begun) / 1_000;
      events.emit("fill", { cache, key, result, entries, bytes, seconds });
    };
    let entries: Entry[];
    try {
      entries = await turnstile(() => declaration.load(key));
    } catch (error) {
      void release();
      told("failed");
      throw error;
    }
    const loaded = { kind: "loaded", entries, version: undefined, ttlMs: 0 } as const;
    const elements = elementsOf(declaration, entries);
    if (!elements) {
      void release();
      told("refused", entries.length);
      return loaded;
    }
    onHeld(key, entries);
    const bytes = elements.reduce((sum, { text }) => sum + text.length, 0);
    // A little less than asked for, lest all keys that were filled together end together.
    const ttlMs = Math.round(ttlSeconds * 1_000 * (0.95 + Math.random() * 0.05));
    const end = await shape.fill(redisKey, { token, epoch, leaseMs, ttlMs }, elements);
    if (!end.ok) {
      told("failed", entries.length, bytes);
      events.emit("error", { cache, key, what: "fill", reason: end.reason });
      return loaded;
    }
    told(end.value.lost ? "lost" : "complete", entries.length, bytes);
    return end.value.lost ? loaded : { ...loaded, version: end.value.version, ttlMs };
  }

  /** Whoever finds the lease free takes it, also from one who died with it. */
  async function begin(key: string, epoch: number): Promise<Outcome<Entry>> {
    const token = newToken();
    const begun = performance.now();
    const waited = () => (performance.now() - begun) / 1_000;
    for (let ms = 5; !signal.aborted; ms = Math.min(ms * 2, longestPauseMs)) {
      const lease = await shape.begin(declaration.key(key), token, epoch, leaseMs);
      if (!lease.ok) return troubled(key, lease.reason);
      if (lease.value === "begun") return loadUnderLease(key, token, epoch);
      if (lease.value === "complete") {
        if (ms > 5) events.emit("wait", { cache, key, result: "redis", seconds: waited() });
        return { kind: "ready" };
      }
      if (waited() * 1_000 > waitMs) break;
      await pause(ms, signal);
    }
    events.emit("wait", { cache, key, result: "mongo", seconds: waited() });
    return { kind: "failed" };
  }

  return {
    async fill(key, epoch, hasty) {
      const flying = flights.get(key);
      // What has been begun must be ended, or others wait for it in vain.
      const flight = flying ?? withoutBudget(() => begin(key, epoch)).finally(() => flights.delete(key));
      if (!flying) flights.set(key, flight);
      const outcome = hasty ? await Promise.race([flight, failedAfter(waitMs)]) : await flight;
      // What somebody else has loaded is from before this was asked for; Redis has what was written since, too.
      if (!flying || outcome.kind !== "loaded") return outcome;
      return { kind: outcome.version === undefined ? "failed" : "ready" };
    },
    load(key, slice) {
      const which = `${generations.of(key)} ${slice === undefined ? "" : JSON.stringify(slice)} ${key}`;
      const { loadSlice, pick } = declaration;
      return loading.ask(which, () =>
        turnstile(async () => {
          if (slice === undefined) return declaration.load(key);
          if (loadSlice) return loadSlice(key, slice);
          const all = await declaration.load(key);
          return pick ? pick(all, slice) : all;
        }),
      );
    },
  };
}
