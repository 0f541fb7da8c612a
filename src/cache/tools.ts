import type { Db } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import { raiseEpoch } from "../mongo/epoch.ts";
import type { ChangeBy, Settings, SettingsStore } from "../mongo/settings-types.ts";
import type { RedisDoor } from "../redis/types.ts";
import { epochId } from "./trust.ts";

/** Turns the switch of one cache on every instance. */
export function switchCache(settings: SettingsStore, name: string, on: boolean, by: ChangeBy): Promise<Settings> {
  return settings.change({ caches: { ...settings.current.caches, [name]: on } }, by);
}

const scanned = 500;

async function each(
  door: RedisDoor,
  pattern: string,
  work: (keys: string[]) => Promise<void>,
): Promise<"done" | "no answer"> {
  let cursor = "0";
  do {
    const from = cursor;
    const page = await door.call("cache.scan", (redis) => redis.scan(from, { MATCH: pattern, COUNT: scanned }));
    if (!page.ok) return "no answer";
    if (page.value.keys.length > 0) await work(page.value.keys);
    cursor = String(page.value.cursor);
  } while (cursor !== "0");
  return "done";
}

/** How many keys of a cache there are; undefined when Redis does not answer. */
export async function countKeys(door: RedisDoor, prefix: string): Promise<number | undefined> {
  const keys = new Set<string>();
  const end = await each(door, `${prefix}*`, async (found) => {
    for (const key of found) keys.add(key);
  });
  return end === "done" ? keys.size : undefined;
}

export interface Flushed {
  /** Undefined when Redis does not answer; what it holds is old all the same. */
  readonly keys: number | undefined;
  readonly epoch: number;
}

/** Of one cache, or of all when `name` is undefined. */
export const prefixesOf = (prefixes: Readonly<Record<string, string>>, name: string | undefined): readonly string[] =>
  name === undefined ? Object.values(prefixes) : [prefixes[name] ?? name];

interface Flushing {
  settings: Pick<SettingsStore, "act">;
  db: Db;
  door: RedisDoor;
  clock: Clock;
}

/**
 * Throws one cache away, or all when `name` is undefined: their keys in Redis, by prefix, and whatever any instance holds
 * of any cache is old from now on. The history says who did it, and why.
 */
export function flushCaches(
  { settings, ...where }: Flushing,
  prefixes: Readonly<Record<string, string>>,
  name: string | undefined,
  by: ChangeBy,
): Promise<Flushed> {
  const what = name === undefined ? "cache flush" : `cache flush ${name}`;
  return settings.act(what, by, () => flush(where, prefixesOf(prefixes, name)));
}

async function flush({ db, door, clock }: Omit<Flushing, "settings">, prefixes: readonly string[]): Promise<Flushed> {
  const epoch = await raiseEpoch(db, epochId, clock, "an operator has flushed caches");
  let keys: number | undefined = 0;
  for (const pattern of prefixes.flatMap((prefix) => [`${prefix}*`, `{${prefix}*`])) {
    const end = await each(door, pattern, async (found) => {
      const gone = await door.call("cache.flush", (redis) => redis.unlink(found));
      if (gone.ok && keys !== undefined) keys += Number(gone.value);
    });
    if (end === "no answer") keys = undefined;
  }
  return { keys, epoch };
}
