import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "../kernel/log.ts";

/** Writes that failed, which MongoDB may carry out all the same within `ms`. */
export interface Doubts {
  /** `work` is done when none of them can be under way any more. */
  afterwards(work: () => Promise<void>): void;
  /** Ends when all of it is done. */
  close(): Promise<void>;
}

const whatFailed =
  "What may be old since a write failed could not be dropped; listeners of the caches' events must not throw";

export function createDoubts(ms: number, log: Log): Doubts {
  const open = new Set<Promise<void>>();
  return {
    afterwards(work) {
      const one = pause(ms)
        .then(work)
        .catch((error: unknown) => log.error({ err: error }, whatFailed))
        .finally(() => open.delete(one));
      open.add(one);
    },
    async close() {
      await Promise.all(open);
    },
  };
}
