import { withoutBudget } from "../kernel/budget.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { Declaration } from "./declaration.ts";
import type { Marks } from "./marks.ts";
import type { Element } from "./shapes/shape.ts";
import type { Trust } from "./trust.ts";
import type { CacheEventSource } from "./types.ts";

/** The way of what MongoDB has into Redis. Every promise ends when Redis has it, or is not believed any more. */
export interface Writes<Entry> {
  push(key: string, entries: readonly Entry[], here: boolean): Promise<void>;
  drop(key: string, why: string, here: boolean): Promise<void>;
  /** It must not be read from Redis now: a deletion is under way. */
  suspect(key: string): boolean;
  /** How often it was deleted, as far as is known here. */
  drops(key: string): number;
  /** Put into Redis from here, lately, in this version or a later one. */
  settled(key: string, id: string, version: number): boolean;
}

export interface WritesOptions<Entry, Slice> {
  declaration: Declaration<Entry, Slice>;
  door: RedisDoor;
  trust: Trust;
  generations: Marks;
  dropped: Marks;
  events: CacheEventSource;
  on: () => boolean;
  /** Redis may hold these there from now on. */
  onHeld: (key: string, entries: readonly Entry[]) => void;
}

const settledMost = 10_000;

export function createWrites<Entry, Slice>(options: WritesOptions<Entry, Slice>): Writes<Entry> {
  const { declaration, door, trust, generations, dropped, events, on, onHeld } = options;
  const { name: cache, shape, freshness } = declaration;
  const suspects = new Map<string, number>();
  const settled = new Map<string, number>();

  function remember(key: string, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const id = `${key} ${declaration.id(entry)}`;
      settled.delete(id);
      settled.set(id, declaration.version(entry));
      if (settled.size > settledMost) for (const oldest of settled.keys()) return void settled.delete(oldest);
    }
  }

  /** Where one of them is nothing that Redis can, or must, hold, the others are found in MongoDB by whoever reads next. */
  async function elementsOf(key: string, entries: readonly Entry[], here: boolean): Promise<Element[]> {
    try {
      return entries.map(declaration.element);
    } catch (error) {
      await drop(key, "something written cannot be held by Redis", here);
      throw error;
    }
  }

  function changed(key: string, version: string | undefined, here: boolean): void {
    generations.raise(key);
    events.emit("changed", { cache, key, version, here });
  }

  async function drop(key: string, why: string, here: boolean): Promise<void> {
    generations.raise(key);
    dropped.raise(key);
    if (!on()) return changed(key, undefined, here);
    suspects.set(key, (suspects.get(key) ?? 0) + 1);
    const answer = await withoutBudget(() =>
      door.call("cache.drop", (redis) => redis.unlink(shape.keys(declaration.key(key)))),
    );
    if (!answer.ok) {
      events.emit("error", { cache, key, what: "drop", reason: answer.reason });
      trust.unable(`${cache}: something old could not be deleted (${answer.reason})`);
    }
    const left = (suspects.get(key) ?? 1) - 1;
    if (left > 0) suspects.set(key, left);
    else suspects.delete(key);
    events.emit("drop", { cache, key, why, ok: answer.ok });
    changed(key, undefined, here);
  }

  return {
    drop,
    async push(key, entries, here) {
      generations.raise(key);
      if (!on() || entries.length === 0) return changed(key, undefined, here);
      if (!trust.writes()) {
        trust.unable(`${cache}: something written could not be told to Redis`);
        return changed(key, undefined, here);
      }
      const elements = await elementsOf(key, entries, here);
      onHeld(key, entries);
      const answer = await withoutBudget(() => shape.push(declaration.key(key), elements));
      const bytes = elements.reduce((sum, { text }) => sum + text.length, 0);
      const result = answer.ok ? answer.value.result : "failed";
      events.emit("push", { cache, key, result, entries: entries.length, bytes });
      if (!answer.ok) {
        events.emit("error", { cache, key, what: "push", reason: answer.reason });
        return drop(key, "a write has not reached Redis, or nobody knows", here);
      }
      remember(key, entries);
      const { seen, version } = answer.value;
      // Who derives from a bounded one looks at its version in time; others look again only when they are told.
      const unseen = (result === "changed" && !seen) || (result === "same" && !here);
      if (unseen && freshness.class === "bounded") return generations.raise(key);
      changed(key, version, here);
    },
    suspect: (key) => suspects.has(key),
    drops: (key) => dropped.of(key),
    settled: (key, id, version) => (settled.get(`${key} ${id}`) ?? Number.NEGATIVE_INFINITY) >= version,
  };
}
