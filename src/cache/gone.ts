/** Remembers for at least `ms`, and forgets after twice as long. */
function createMemory<T>(ms: number, now: () => number) {
  let newer = new Map<string, T>();
  let older = new Map<string, T>();
  let turned = now();

  function turn(): void {
    const age = now() - turned;
    if (age < ms) return;
    older = age < 2 * ms ? newer : new Map();
    newer = new Map();
    turned = now();
  }

  return {
    set(id: string, value: T): void {
      turn();
      newer.set(id, value);
    },
    get(id: string): T | undefined {
      return newer.get(id) ?? older.get(id);
    },
    empty(): boolean {
      turn();
      return newer.size + older.size === 0;
    },
  };
}

/**
 * Entries that were deleted in MongoDB, where nothing tells which key they were in. What stands in Redis from before has
 * ended by the time they are forgotten, and whatever is filled later is filled without them.
 */
export interface Gone {
  /** It was read from there. */
  seen(key: string, ids: readonly string[]): void;
  /** Deleted; answers the key that it was seen in. */
  add(id: string): string | undefined;
  some(ids: readonly string[]): boolean;
}

export function createGone(ttlMs: number, now: () => number = () => performance.now()): Gone {
  const deleted = createMemory<true>(ttlMs, now);
  const places = createMemory<string>(ttlMs, now);
  return {
    seen(key, ids) {
      for (const id of ids) places.set(id, key);
    },
    add(id) {
      deleted.set(id, true);
      return places.get(id);
    },
    some: (ids) => !deleted.empty() && ids.some((id) => deleted.get(id) !== undefined),
  };
}
