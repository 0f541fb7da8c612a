import { atLeast, type Version } from "./version.ts";

/**
 * What this instance has seen of each session lately, so that it never shows anything older: a copy may lag behind
 * MongoDB until the others' writes have reached Redis, which takes them no longer than this remembers.
 */
export interface Floors {
  allows(id: string, version: Version): boolean;
  raise(id: string, version: Version): void;
  /** This is how it is now, whatever was seen before. */
  set(id: string, version: Version): void;
  /** It was ended: nothing is shown that has not been asked of MongoDB since. */
  bury(id: string): void;
}

/** Sorts behind every version. */
const BURIED: Version = "~";

/** Two generations, each `rememberMs` long, so that forgetting costs nothing. */
export function createFloors(rememberMs: number, now = () => performance.now()): Floors {
  let current = new Map<string, Version>();
  let former = new Map<string, Version>();
  let turnedAt = now();

  function turn(): void {
    const passed = now() - turnedAt;
    if (passed < rememberMs) return;
    former = passed < 2 * rememberMs ? current : new Map();
    current = new Map();
    turnedAt = now();
  }
  const floorOf = (id: string) => current.get(id) ?? former.get(id);

  return {
    allows(id, version) {
      turn();
      const floor = floorOf(id);
      return floor === undefined || atLeast(version, floor);
    },
    raise(id, version) {
      turn();
      const floor = floorOf(id);
      current.set(id, floor === undefined || atLeast(version, floor) ? version : floor);
    },
    set(id, version) {
      turn();
      current.set(id, version);
    },
    bury(id) {
      turn();
      current.set(id, BURIED);
    },
  };
}
