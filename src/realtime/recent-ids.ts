/** Remembers the newest ids, at least `size` and at most twice as many. */
export function createRecentIds(size: number) {
  let young = new Set<string>();
  let old = new Set<string>();
  const has = (id: string) => young.has(id) || old.has(id);
  return {
    has,
    /** False when it is known already. */
    add(id: string): boolean {
      if (has(id)) return false;
      young.add(id);
      if (young.size >= size) {
        old = young;
        young = new Set();
      }
      return true;
    },
  };
}
