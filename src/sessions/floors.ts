import { atLeast, type Version } from "./version.ts";

/**
 * What this instance has seen of each session lately, so that it never shows anything older: a copy may lag behind
 * MongoDB until the others' writes have reached Redis, which takes them no longer than this remembers.
 */
export interface Floors {
  /** Whether a copy may be shown. Copies need not be remembered: they only ever follow MongoDB. `now`: of `performance.now()`. */
  allows(id: string, copy: { readonly version: Version }, now?: number): boolean;
  /** Whether what MongoDB answered may be shown; if so, nothing older may be any more. */
  see(id: string, version: Version): boolean;
  /** This is how it is now, whatever was seen before. */
  set(id: string, version: Version): void;
  /** It was ended: nothing is shown that has not been asked of MongoDB since. */
  bury(id: string): void;
}

/** Sorts behind every version. */
const BURIED: Version = "~";

/** Two generations, each `rememberMs` long, so that forgetting costs nothing. */
export function createFloors(rememberMs: number): Floors {
  let current = new Map<string, Version>();
  let former = new Map<string, Version>();
  let turnedAt = performance.now();

  function turn(now = performance.now()): void {
    if (now - turnedAt < rememberMs) return;
    former = now - turnedAt < 2 * rememberMs ? current : new Map();
    current = new Map();
    turnedAt = now;
  }
  function set(id: string, version: Version): void {
    turn();
    current.set(id, version);
  }
  const floorOf = (id: string) => current.get(id) ?? former.get(id);

  return {
    allows(id, copy, now) {
      turn(now);
      const floor = floorOf(id);
      return floor === undefined || atLeast(copy.version, floor);
    },
    see(id, version) {
      const floor = floorOf(id);
      if (floor !== undefined && !atLeast(version, floor)) return false;
      set(id, version);
      return true;
    },
    set,
    bury: (id) => set(id, BURIED),
  };
}
