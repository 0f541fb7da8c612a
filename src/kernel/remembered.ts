import { createSingleFlight } from "./single-flight.ts";

/** To be taken before looking: what was found is remembered only if nothing was forgotten since. */
export interface Mark {
  readonly changes: number;
  readonly heard: boolean;
  readonly at: number;
}

/** What was found, until it may have changed: kept while every change is heard of, forgotten when one is heard or missed. */
export interface Remembered<V> {
  get(key: string): V | undefined;
  mark(): Mark;
  keep(key: string, value: V, mark: Mark): void;
  /** As it is now; remembered unless it is null. */
  look(key: string, look: (key: string) => Promise<V | null>): Promise<V | null>;
  /** What is remembered, or else a look that is shared by all who ask at about the same time. */
  find(key: string, look: (key: string) => Promise<V | null>): Promise<V | null>;
  /** Everything of that name was changed. */
  forget(name: string): void;
  /** Changes may have been missed. */
  clear(): void;
}

export interface RememberedOptions<V> {
  /** Whether every change is heard of now. */
  heard: () => boolean;
  /** No longer than this, whatever is heard. */
  longestMs: number;
  /** So long although changes may not be heard of. */
  unheardMs?: number;
  most: number;
  /** The names that a value is forgotten by; by its key, unless told. */
  namesOf?: (value: V) => readonly string[];
  /** In the second half of its time `get` tells of it, that it can be looked up anew before anybody has to wait for that. */
  onAging?: (key: string) => void;
  /** How long it is true by itself; for ever, unless told. */
  trueForMs?: (value: V) => number;
  now?: () => number;
}

interface Entry<V> {
  readonly value: V;
  readonly names: readonly string[];
  readonly heard: boolean;
  readonly at: number;
  readonly until: number;
}

export function createRemembered<V>(options: RememberedOptions<V>): Remembered<V> {
  const { heard, longestMs, unheardMs = 0, most, namesOf, trueForMs, onAging, now = () => performance.now() } = options;
  const entries = new Map<string, Entry<V>>();
  const keysOf = new Map<string, Set<string>>();
  const flight = createSingleFlight<V | null>();
  let changes = 0;

  function drop(key: string): void {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    for (const name of entry.names) {
      const keys = keysOf.get(name);
      keys?.delete(key);
      if (keys?.size === 0) keysOf.delete(name);
    }
  }

  function get(key: string): V | undefined {
    const entry = entries.get(key);
    if (!entry) return undefined;
    const age = now() - entry.at;
    if (now() < entry.until && age < (entry.heard && heard() ? longestMs : unheardMs)) {
      if (age >= longestMs / 2) onAging?.(key);
      return entry.value;
    }
    if (age >= longestMs || now() >= entry.until) drop(key);
    return undefined;
  }

  const mark = (): Mark => ({ changes, heard: heard(), at: now() });

  function keep(key: string, value: V, since: Mark): void {
    if (since.changes !== changes) return;
    drop(key);
    const until = now() + (trueForMs?.(value) ?? Number.POSITIVE_INFINITY);
    if (until <= now()) return;
    const names = namesOf?.(value) ?? [key];
    entries.set(key, { value, names, heard: since.heard && heard(), at: since.at, until });
    for (const name of names) {
      const keys = keysOf.get(name);
      if (keys) keys.add(key);
      else keysOf.set(name, new Set([key]));
    }
    if (entries.size > most) for (const oldest of entries.keys()) return void drop(oldest);
  }

  async function lookNow(key: string, look: (key: string) => Promise<V | null>): Promise<V | null> {
    const since = mark();
    const value = await look(key);
    if (value === null) drop(key);
    else keep(key, value, since);
    return value;
  }

  return {
    get,
    mark,
    keep,
    look: lookNow,
    async find(key, look) {
      const known = get(key);
      if (known !== undefined) return known;
      if (unheardMs === 0 && !heard()) return lookNow(key, look);
      // Who asks after a change does not share the answer to a question from before it.
      return flight.ask(`${changes} ${key}`, () => lookNow(key, look));
    },
    forget(name) {
      changes += 1;
      for (const key of [...(keysOf.get(name) ?? [])]) drop(key);
    },
    clear() {
      changes += 1;
      entries.clear();
      keysOf.clear();
    },
  };
}
