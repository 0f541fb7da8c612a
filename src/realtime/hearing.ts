import type { Clock } from "../kernel/clock.ts";

/** Whether a change stream tells of everything. Until it has begun to, it is lost. */
export interface Hearing {
  /** What the stream says of itself; `whole`: nothing was missed before. */
  told(live: boolean, whole: boolean): void;
  readonly lost: boolean;
  lostFor(ms: number): boolean;
}

export function createHearing(clock: Clock, onGap: () => void): Hearing {
  let lostAt: number | undefined = clock.now();
  return {
    told(live, whole) {
      if (!live) {
        lostAt ??= clock.now();
        return;
      }
      lostAt = undefined;
      if (!whole) onGap();
    },
    get lost() {
      return lostAt !== undefined;
    },
    lostFor: (ms) => lostAt !== undefined && clock.now() - lostAt > ms,
  };
}
