import { setTimeout as pause } from "node:timers/promises";
import { createBackoff } from "./backoff.ts";

/** Work that is tried until it succeeds. */
export interface UntilDone {
  /** Ends when what is under way has ended; nothing is tried any more. */
  close(): Promise<void>;
}

interface Options {
  /** Told of the first failure only. */
  onFailure(error: unknown): void;
  /** Between two tries, at the most. */
  maxMs?: number;
}

export function untilDone(work: () => Promise<unknown>, { onFailure, maxMs = 2_000 }: Options): UntilDone {
  const stop = new AbortController();
  const { next } = createBackoff({ baseMs: 200, maxMs });

  async function run(): Promise<void> {
    for (let failed = false; !stop.signal.aborted; failed = true) {
      try {
        await work();
        return;
      } catch (error) {
        if (!failed && !stop.signal.aborted) onFailure(error);
        await pause(next(), undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
      }
    }
  }
  const running = run();

  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}
