import { setTimeout as pause } from "node:timers/promises";

/** Writes that failed, which MongoDB may carry out all the same within `ms`. */
export interface Doubts {
  /** `work` is done when none of them can be under way any more. */
  afterwards(work: () => Promise<void>): void;
  /** Ends when all of it is done. */
  close(): Promise<void>;
}

export function createDoubts(ms: number): Doubts {
  const open = new Set<Promise<void>>();
  return {
    afterwards(work) {
      const one = pause(ms)
        .then(work)
        .finally(() => open.delete(one));
      open.add(one);
    },
    async close() {
      await Promise.all(open);
    },
  };
}
