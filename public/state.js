/** What the page knows. A view hears of the keys it names: at once, and whenever one of them changes. */
export function createState(initial) {
  let now = initial;
  const watchers = new Set();
  return {
    get: () => now,
    set(change) {
      const before = now;
      now = { ...now, ...change };
      for (const watcher of [...watchers]) {
        if (watchers.has(watcher) && watcher.keys.some((key) => before[key] !== now[key])) watcher.see(now);
      }
    },
    watch(keys, see) {
      const watcher = { keys, see };
      watchers.add(watcher);
      see(now);
      return () => watchers.delete(watcher);
    },
  };
}
