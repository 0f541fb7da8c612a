/** Whoever ends what it started, the last thing first; it may end before the others. */
export function createEnds() {
  const ends: (() => unknown)[] = [];
  return {
    add<T extends { close(): unknown }>(one: T): T {
      ends.push(() => one.close());
      return one;
    },
    /** What has no `close` of its own. */
    later(end: () => unknown): void {
      ends.push(end);
    },
    async close() {
      for (let end = ends.pop(); end; end = ends.pop()) await end();
    },
  };
}
