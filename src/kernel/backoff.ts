export interface Backoff {
  /** The next pause in ms: anywhere between nothing and a bound that doubles each time (full jitter). */
  next(): number;
  reset(): void;
}

/** Pauses between attempts, spread at random so that many processes do not come back at the same moment. */
export function createBackoff({ baseMs = 50, maxMs = 1_000, random = Math.random } = {}): Backoff {
  let bound = baseMs;
  return {
    next() {
      const pause = random() * Math.min(bound, maxMs);
      bound = Math.min(bound * 2, maxMs);
      return pause;
    },
    reset() {
      bound = baseMs;
    },
  };
}
