export interface Breaker {
  readonly open: boolean;
  /** Whether one more may go out beside `waiting` others: none while open, a growing number after that, then all. */
  admits(waiting: number): boolean;
  answered(): void;
  /**
   * Notes that one that was sent at `sentAt` has no answer in time; true when it was one too many and the breaker has just
   * opened. However many one pause makes wait, it counts once: only what was sent after the last time does.
   */
  expired(sentAt: number, at: number): boolean;
  trip(): void;
  /** To be called when a probe went well; the ramp begins. */
  close(): void;
}

export interface BreakerOptions {
  /** So many in a row without an answer open it. */
  strikes?: number;
  /** How many may wait at once when it has just closed; the number doubles every `doubleEveryMs` until `all`. */
  ramp?: { first: number; doubleEveryMs: number; all: number };
  /** Milliseconds that never jump. */
  now?: () => number;
}

const gentle = { first: 16, doubleEveryMs: 50, all: 1_024 };

/** Begins open: nothing is trusted before a first probe. */
export function createBreaker({
  strikes = 5,
  ramp = gentle,
  now = () => performance.now(),
}: BreakerOptions = {}): Breaker {
  let mode: "open" | "ramp" | "closed" = "open";
  let inARow = 0;
  let struckAt = Number.NEGATIVE_INFINITY;
  let closedAt = 0;

  function withinRamp(waiting: number): boolean {
    const limit = ramp.first * 2 ** Math.floor((now() - closedAt) / ramp.doubleEveryMs);
    if (limit >= ramp.all) mode = "closed";
    return waiting < limit;
  }

  return {
    get open() {
      return mode === "open";
    },
    admits: (waiting) => mode === "closed" || (mode === "ramp" && withinRamp(waiting)),
    answered() {
      inARow = 0;
    },
    expired(sentAt, at) {
      if (sentAt < struckAt) return false;
      struckAt = at;
      inARow += 1;
      if (mode === "open" || inARow < strikes) return false;
      mode = "open";
      return true;
    },
    trip() {
      mode = "open";
    },
    close() {
      mode = "ramp";
      inARow = 0;
      closedAt = now();
    },
  };
}
