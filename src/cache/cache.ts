import { duplicateKey } from "../mongo/errors.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { Declaration } from "./declaration.ts";
import type { Doubts } from "./doubts.ts";
import { createFills } from "./fills.ts";
import { createGone } from "./gone.ts";
import type { L1Space } from "./l1.ts";
import { createMarks } from "./marks.ts";
import type { Element } from "./shapes/shape.ts";
import type { Trust } from "./trust.ts";
import type { Turnstile } from "./turnstile.ts";
import type { Cache, CacheEventSource, Read, ReadFrom } from "./types.ts";
import { createWrites, type Writes } from "./writes.ts";

export interface CacheOptions<Entry, Slice> {
  declaration: Declaration<Entry, Slice>;
  door: RedisDoor;
  trust: Trust;
  turnstile: Turnstile;
  events: CacheEventSource;
  leaseMs: number;
  waitMs: number;
  doubts: Pick<Doubts, "afterwards">;
  /** The operator's switch. */
  on: () => boolean;
  /** Why what others wrote may be missing in Redis; undefined when it is not. */
  followed: () => string | undefined;
  /** Somebody was answered from Redis. */
  onHit: (key: string, slice: Slice | undefined) => void;
  signal: AbortSignal;
  /** What was read lately; Redis is asked whether it is still that. */
  kept: () => L1Space<Kept<Entry>> | undefined;
}

/** What a version of a key says. */
export interface Kept<Entry> {
  readonly version: string;
  readonly entries: readonly Entry[];
  /** The ids in MongoDB of what they tell of. */
  readonly documents: readonly string[];
}

/** A cache, and what of it the room itself needs. */
export interface CacheParts<Entry, Slice> {
  readonly cache: Cache<Entry, Slice>;
  readonly writes: Writes<Entry>;
  /** Past everything that is counted: what Redis has, if it may be believed. */
  look(key: string, slice: Slice | undefined): Promise<readonly Entry[] | undefined>;
  /** The versions of those that Redis has; undefined while it is being filled, or gives no answer. */
  versions(key: string, ids: readonly string[]): Promise<ReadonlyMap<string, number> | "missing" | undefined>;
  /** An entry was deleted, from whichever key. */
  gone(id: string): Promise<void>;
  /** Everything that was derived is old. */
  forget(): void;
}

/** What Redis has, and may be believed. */
interface There<Entry> {
  readonly entries: readonly Entry[];
  readonly version: string | undefined;
  readonly ttlMs: number;
}

const missing = { state: "missing" } as const;
type Missing = typeof missing;

/** Parsed it takes about twice as much as the text. */
const bytesOf = (elements: readonly Element[]) => elements.reduce((sum, { text }) => sum + 2 * text.length, 0);

export function createCache<Entry, Slice>(options: CacheOptions<Entry, Slice>): CacheParts<Entry, Slice> {
  const { declaration, door, trust, events, on, followed, onHit, doubts, kept } = options;
  const { name, shape, freshness } = declaration;
  const generations = createMarks();
  const dropped = createMarks();
  // As long as a structure lives, and whoever fills it.
  const gone = declaration.keyless && createGone(declaration.ttlSeconds * 1_000 + options.leaseMs * 2);
  const { documents = (entry: Entry) => [declaration.id(entry)] } = declaration;

  const documentsOf = (entries: readonly Entry[]) => (gone ? entries.flatMap(documents) : []);
  const onHeld = (key: string, entries: readonly Entry[]) => gone?.seen(key, documentsOf(entries));

  /** Whether some of what it holds was deleted. */
  function holdsGone(key: string, ids: readonly string[]): boolean {
    gone?.seen(key, ids);
    return gone?.some(ids) ?? false;
  }
  const writes = createWrites({ declaration, door, trust, generations, dropped, events, on, onHeld });
  const fills = createFills({ ...options, generations, onHeld });

  const settled = async (since: number) => followed() ?? (await trust.settled(since));
  const picked = (entries: readonly Entry[], slice: Slice | undefined) =>
    slice !== undefined && declaration.pick ? declaration.pick(entries, slice) : entries;

  function entriesOf(elements: readonly Element[], inOrder: boolean): Entry[] {
    const entries = elements.map(declaration.entry);
    return inOrder ? entries : entries.sort(declaration.compare);
  }

  /** Undefined when Redis gave no answer. */
  async function ask(
    key: string,
    epoch: number,
    slice: Slice | undefined,
  ): Promise<There<Entry> | Missing | undefined> {
    const fitting = slice !== undefined && (declaration.fits?.(slice) ?? true);
    const redisKey = declaration.key(key);
    const space = shape.compares && slice === undefined ? kept() : undefined;
    const before = space?.get(redisKey);
    const answer = await shape.read(redisKey, epoch, fitting ? slice : undefined, before?.version);
    if (!answer.ok) {
      events.emit("error", { cache: name, key, what: "read", reason: answer.reason });
      return undefined;
    }
    const found = answer.value;
    if (found.state === "same") {
      // Where these are was noted when they were read.
      if (before && !gone?.some(before.documents)) return { ...before, ttlMs: found.ttlMs };
      await writes.drop(key, "it holds what was deleted", false);
      return missing;
    }
    if (found.state !== "complete") return missing;
    try {
      const entries = entriesOf(found.elements, found.inOrder);
      const ids = documentsOf(entries);
      if (holdsGone(key, ids)) {
        await writes.drop(key, "it holds what was deleted", false);
        return missing;
      }
      const { version, ttlMs } = found;
      if (space && version !== undefined)
        space.keep(redisKey, { value: { version, entries, documents: ids }, bytes: bytesOf(found.elements), ttlMs });
      return { version, ttlMs, entries: fitting ? entries : picked(entries, slice) };
    } catch {
      await writes.drop(key, "it cannot be read", true);
      return missing;
    }
  }

  async function read(key: string, slice?: Slice, since = performance.now()): Promise<Read<Entry>> {
    const begun = performance.now();
    const generation = generations.of(key);
    const answer = (from: ReadFrom, entries: readonly Entry[], version?: string, ttlMs = 0): Read<Entry> => {
      events.emit("request", { cache: name, key, result: from, seconds: (performance.now() - begun) / 1_000 });
      return { entries, from, version, ttlMs, generation };
    };
    const fromRedis = ({ entries, version, ttlMs }: There<Entry>) => {
      onHit(key, slice);
      return answer("redis", entries, version, ttlMs);
    };

    if (!on()) {
      const { load, loadSlice } = declaration;
      const some = slice !== undefined && loadSlice ? await loadSlice(key, slice) : undefined;
      return answer("bypass", some ?? picked(await load(key), slice));
    }
    if ((await settled(since)) || writes.suspect(key)) return answer("bypass", await fills.load(key, slice));
    const epoch = trust.epoch.value;
    const found = await ask(key, epoch, slice);
    if (!found) return answer("bypass", await fills.load(key, slice));
    if ("entries" in found) return fromRedis(found);
    // A part of a long list is soon found in MongoDB; all of it takes a while to be put into Redis.
    const outcome = await fills.fill(key, epoch, slice !== undefined && declaration.loadSlice !== undefined);
    if (outcome.kind === "loaded")
      return answer("mongo", picked(outcome.entries, slice), outcome.version, outcome.ttlMs);
    const again = outcome.kind === "ready" ? await ask(key, epoch, slice) : undefined;
    if (again && "entries" in again && !writes.suspect(key)) return fromRedis(again);
    return answer("mongo", await fills.load(key, slice));
  }

  async function doubted(key: string): Promise<void> {
    const drop = () => writes.drop(key, "a write of which nobody knows whether MongoDB took it", true);
    doubts.afterwards(`${name}:${key}`, drop);
    await drop();
  }

  const cache: Cache<Entry, Slice> = {
    name,
    freshness,
    get on() {
      return on();
    },
    get doubt() {
      return on() ? (trust.lasting() ?? followed()) : "off";
    },
    get believed() {
      return on() && (trust.doubt() ?? followed()) === undefined;
    },
    redisKey: declaration.key,
    read,
    async sure(since) {
      return on() && (await settled(since)) === undefined;
    },
    async stamp(key, since = performance.now()) {
      if (!on() || (await settled(since)) || writes.suspect(key)) return undefined;
      const answer = await shape.stamp(declaration.key(key), trust.epoch.value);
      return answer.ok ? answer.value : undefined;
    },
    generation: generations.of,
    async write(key, work) {
      const before = writes.drops(key);
      const { result, entries } = await work().catch(async (error: unknown) => {
        if (duplicateKey(error) === undefined) await doubted(key);
        throw error;
      });
      // Deleted meanwhile by somebody who may have deleted just this: what was written is not put back.
      if (writes.drops(key) === before && !holdsGone(key, documentsOf(entries))) await writes.push(key, entries, true);
      else await writes.drop(key, "deleted while it was written", true);
      return result;
    },
    wrote: (key, entries) =>
      holdsGone(key, documentsOf(entries)) ? writes.drop(key, "it was deleted", true) : writes.push(key, entries, true),
    drop: (key, why) => writes.drop(key, why, true),
    doubted,
    heard: generations.raise,
  };

  return {
    cache,
    writes,
    async look(key, slice) {
      const found = await ask(key, trust.epoch.value, slice);
      return found && "entries" in found ? found.entries : undefined;
    },
    async versions(key, ids) {
      const slice = declaration.byIds?.(ids);
      const answer = await shape.read(declaration.key(key), trust.epoch.value, slice);
      if (!answer.ok || answer.value.state === "filling") return undefined;
      if (answer.value.state !== "complete") return "missing";
      const entries = answer.value.elements.map(declaration.entry);
      return new Map(entries.map((entry) => [declaration.id(entry), declaration.version(entry)]));
    },
    async gone(id) {
      const key = gone ? gone.add(id) : "";
      if (key !== undefined) await writes.drop(key, "something was deleted", false);
    },
    forget: generations.raiseAll,
  };
}
