import { withoutBudget } from "../kernel/budget.ts";
import type { RedisDoor, Script } from "../redis/types.ts";
import { STATE } from "./state.ts";
import type { CacheEventSource } from "./types.ts";

/** What has befallen a key lately, kept beside it for whoever asks what is wrong with it. */
const journalOf = (redisKey: string) => `{${redisKey}}:events`;
const lines = 20;
const keptSeconds = 3_600;

export interface JournalOptions {
  door: RedisDoor;
  events: CacheEventSource;
  /** Names this process in what it writes. */
  by: string;
  redisKey: (cache: string, key: string) => string | undefined;
}

/** Writes down what is rare; each read and each push would drown it. */
export function keepJournal({ door, events, by, redisKey }: JournalOptions): () => void {
  function write(cache: string, key: string, line: object): void {
    const full = redisKey(cache, key);
    if (full === undefined || door.state !== "up") return;
    const text = JSON.stringify({ at: new Date().toISOString(), by, ...line });
    const journal = journalOf(full);
    void withoutBudget(() =>
      door.call("cache.journal", (redis) =>
        Promise.all([
          redis.lPush(journal, text),
          redis.lTrim(journal, 0, lines - 1),
          redis.expire(journal, keptSeconds),
        ]),
      ),
    );
  }

  const ends = [
    events.on("fill", ({ cache, key, result, entries, bytes, seconds }) =>
      write(cache, key, { what: `fill ${result}`, entries, bytes, ms: Math.round(seconds * 1_000) }),
    ),
    events.on("drop", ({ cache, key, why, ok }) => write(cache, key, { what: ok ? "drop" : "drop failed", why })),
    events.on("error", ({ cache, key, what, reason }) => write(cache, key, { what: `${what} failed`, why: reason })),
    events.on("audit", ({ cache, key, stale, ageMs }) => {
      if (stale) write(cache, key, { what: "stale", ms: ageMs });
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

export interface Explanation {
  readonly key: string;
  /** none: it is not there. */
  readonly type: string;
  readonly state: string | null;
  readonly entries: number;
  readonly ttlMs: number;
  /** The newest first, of whichever instance. */
  readonly events: readonly Record<string, unknown>[];
}

/** KEYS: the key, its profiles, if it is such a one. */
const look: Script = {
  name: "cache.explain",
  keys: 2,
  lua: `
local type = redis.call("TYPE", KEYS[1]).ok
local state, size = false, 0
if type == "hash" then state, size = redis.call("HGET", KEYS[1], "${STATE}"), redis.call("HLEN", KEYS[1]) end
if type == "list" then state, size = redis.call("LINDEX", KEYS[1], -1), redis.call("LLEN", KEYS[1]) end
if type == "zset" then state, size = redis.call("HGET", KEYS[2], "${STATE}"), redis.call("ZCARD", KEYS[1]) end
return { type, state or "", size, redis.call("PTTL", KEYS[1]) }`,
};

/** What Redis has under a key, and what has befallen it lately; undefined when Redis does not answer. */
export async function explainKey(door: RedisDoor, key: string): Promise<Explanation | undefined> {
  const seen = await door.script<[string, string, number, number]>(look, [key, `{${key}}:profiles`], []);
  const told = await door.call("cache.journal", (redis) => redis.lRange(journalOf(key), 0, lines - 1));
  if (!seen.ok || !told.ok) return undefined;
  const [type, state, size, ttlMs] = seen.value;
  const events = told.value.map((text) => JSON.parse(text));
  return { key, type, state: state || null, entries: Math.max(0, size - 1), ttlMs: Math.max(0, ttlMs), events };
}
