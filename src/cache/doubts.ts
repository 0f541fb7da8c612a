import { setTimeout as pause } from "node:timers/promises";
import { withoutBudget } from "../kernel/budget.ts";
import type { Log } from "../kernel/log.ts";

/** Writes that MongoDB neither took nor refused: what they may make old yet is thrown away once they are over. */
export interface Doubts {
  /** `work` is done when what is under way now cannot happen any more. Of one name the latest counts. */
  afterwards(name: string, work: () => Promise<void>): void;
  /** Ends when all of it is done; at the latest after a while, for MongoDB may never answer again. */
  finish(): Promise<void>;
}

export interface DoubtsOptions {
  /** Whether a write that went without an answer at `since` has happened by now, or never will. */
  over(since: number): boolean;
  everyMs: number;
  /** `finish` waits no longer. */
  patienceMs: number;
  log: Log;
}

const whatFailed =
  "What may be old since a write failed could not be dropped; listeners of the caches' events must not throw";

export function createDoubts({ over, everyMs, patienceMs, log }: DoubtsOptions): Doubts {
  const open = new Map<string, { since: number; work: () => Promise<void> }>();
  const going = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let finished = false;

  function carryOut(done: (since: number) => boolean): void {
    for (const [name, { since, work }] of open) {
      if (!done(since)) continue;
      open.delete(name);
      const one = withoutBudget(work)
        .catch((error: unknown) => log.error({ err: error }, whatFailed))
        .finally(() => going.delete(one));
      going.add(one);
    }
    if (open.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    afterwards(name, work) {
      // What it would put right is being closed.
      if (finished) return;
      open.set(name, { since: performance.now(), work });
      timer ??= setInterval(carryOut, everyMs, over).unref();
    },
    async finish() {
      const end = performance.now() + patienceMs;
      while (open.size > 0 && performance.now() < end) await pause(everyMs);
      finished = true;
      carryOut(() => true);
      await Promise.all(going);
    },
  };
}
