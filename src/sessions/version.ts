import type { Clock } from "../kernel/clock.ts";

/**
 * `<microseconds, 13 hex digits>-<instance>`, ordered as text. `~` at the end: its writer had no Redis and tells the
 * others to drop their copy. `+<hash>` at the end, never stored: what stands there was written past us since.
 */
export type Version = string;

const DIGITS = 13;
const NO_REDIS = "~";
const FOREIGN = "+";

/** Stands for a document that none of us has written. */
export const UNWRITTEN: Version = "0".repeat(DIGITS);

const timeOf = (version: Version): number => Number.parseInt(version.slice(0, DIGITS), 16) || 0;

export const withoutRedis = (version: Version): boolean => version.endsWith(NO_REDIS);
export const isUnwritten = (version: Version): boolean => version.startsWith(UNWRITTEN);

/** The version of a stored session, given the hash of what is stored now. */
export function versionOf(stored: { v?: unknown; h?: unknown }, hash: string): Version {
  const version = typeof stored.v === "string" ? stored.v : UNWRITTEN;
  return stored.h === hash && version !== UNWRITTEN ? version : `${version}${FOREIGN}${hash}`;
}

/** Whether somebody who has seen `floor` may be shown `version`. Two foreign contents of one version have no order. */
export function atLeast(version: Version, floor: Version): boolean {
  if (version === floor) return true;
  const [ours, theirs] = [version.split(FOREIGN, 1)[0], floor.split(FOREIGN, 1)[0]];
  return ours === theirs ? !floor.includes(FOREIGN) : version > floor;
}

export interface Versions {
  readonly instance: string;
  /** Later than `base`, than the clock, and than every one before; `redis: false` marks it for the others. */
  next(base: Version | undefined, redis: boolean): Version;
  /** Written by this instance, which sees to its copy itself. */
  readonly settledByUs: RegExp;
}

/** In microseconds: no burst of writes gets so far ahead of the clock; a clock that was put right does. */
const JUMP = 1_000_000;

/**
 * A hybrid logical clock: the time where clocks agree, an order where they do not. What a fast clock has written is
 * followed by versions ahead of our time, but other sessions keep ours.
 */
export function createVersions(clock: Clock, instance: string): Versions {
  let last = 0;
  let ahead = 0;
  return {
    instance,
    next(base, redis) {
      const now = Math.floor(clock.now() * 1_000);
      last = last > now + JUMP ? now : Math.max(now, last + 1);
      const least = base ? timeOf(base) + 1 : 0;
      if (least > last) ahead = ahead > least + JUMP ? least : Math.max(least, ahead + 1);
      const time = least > last ? ahead : last;
      return `${time.toString(16).padStart(DIGITS, "0")}-${instance}${redis ? "" : NO_REDIS}`;
    },
    settledByUs: new RegExp(`^.{${DIGITS}}-${instance}$`),
  };
}
