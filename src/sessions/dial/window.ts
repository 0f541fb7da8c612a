/** Sums over the last `ms`, which slides on in `parts`. */
export interface Window<K extends string> {
  add(name: K): void;
  sum(name: K): number;
  clear(): void;
}

export function createWindow<K extends string>(ms: number, parts = 10, now = () => performance.now()): Window<K> {
  const partMs = ms / parts;
  let slices: { part: number; sums: Map<K, number> }[] = [];

  function current(): Map<K, number> {
    const part = Math.floor(now() / partMs);
    const last = slices.at(-1);
    if (last?.part === part) return last.sums;
    slices = slices.filter((slice) => slice.part > part - parts);
    const sums = new Map<K, number>();
    slices.push({ part, sums });
    return sums;
  }

  return {
    add(name) {
      const sums = current();
      sums.set(name, (sums.get(name) ?? 0) + 1);
    },
    sum(name) {
      current();
      return slices.reduce((sum, slice) => sum + (slice.sums.get(name) ?? 0), 0);
    },
    clear() {
      slices = [];
    },
  };
}

/** How many different names were seen within the last `ms`. */
export interface Sightings {
  see(name: string): void;
  readonly size: number;
  clear(): void;
}

const mostNames = 10_000;

export function createSightings(ms: number, now = () => performance.now()): Sightings {
  /** Oldest first. */
  const seen = new Map<string, number>();
  function forget(): void {
    const since = now() - ms;
    for (const [name, at] of seen) {
      if (at > since && seen.size <= mostNames) return;
      seen.delete(name);
    }
  }
  return {
    see(name) {
      seen.delete(name);
      seen.set(name, now());
      forget();
    },
    get size() {
      forget();
      return seen.size;
    },
    clear: () => seen.clear(),
  };
}
