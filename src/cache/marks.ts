/** What is counted of each key, in a memory that does not grow for ever. */
export interface Marks {
  of(key: string): number;
  raise(key: string): void;
  /** Of every key, known or not. */
  raiseAll(): void;
}

export function createMarks(most = 20_000): Marks {
  const counts = new Map<string, number>();
  let base = 0;

  function raiseAll(): void {
    base = Math.max(base, ...counts.values()) + 1;
    counts.clear();
  }

  return {
    of: (key) => counts.get(key) ?? base,
    raise(key) {
      if (counts.size >= most && !counts.has(key)) raiseAll();
      counts.set(key, (counts.get(key) ?? base) + 1);
    },
    raiseAll,
  };
}
