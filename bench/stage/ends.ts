/** Whoever ends what it started, the last thing first; it may end before the others. */
export function createEnds() {
  const ends: (() => unknown)[] = [];
  return {
    add<T extends { close(): unknown }>(one: T): T {
      ends.push(() => one.close());
      return one;
    },
    async close() {
      for (let end = ends.pop(); end; end = ends.pop()) await end();
    },
  };
}

/** A start that fails leaves nothing of what it had begun: what stays would keep the whole run from ending. */
export async function allOrNothing<T>(start: (ends: ReturnType<typeof createEnds>) => Promise<T>): Promise<T> {
  const ends = createEnds();
  try {
    return await start(ends);
  } catch (error) {
    await ends.close();
    throw error;
  }
}
