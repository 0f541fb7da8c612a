import type { Clock } from "../kernel/clock.ts";

/** At most so many per window, counted here and for one socket only: cheap enough for signals that come in swarms. */
export function createPace(most: number, windowMs: number, clock: Clock): () => boolean {
  let until = 0;
  let count = 0;
  return () => {
    const now = clock.now();
    if (now >= until) {
      until = now + windowMs;
      count = 0;
    }
    count += 1;
    return count <= most;
  };
}
