import { withoutBudget } from "../kernel/budget.ts";
import type { Log } from "../kernel/log.ts";
import { pause } from "../kernel/pause.ts";
import type { Cache, CacheEventSource } from "./types.ts";

/** A cache, and which of its keys to fill ahead of those who ask; later ones may depend on earlier ones. */
export interface WarmStep {
  readonly cache: Pick<Cache<unknown>, "name" | "on" | "doubt" | "read">;
  keys(): Promise<readonly string[]>;
}

export interface WarmUpOptions {
  events: CacheEventSource;
  steps: readonly WarmStep[];
  signal: AbortSignal;
  log: Log;
  /** Instances that come back together begin at different times within so long. */
  spreadMs?: number;
}

const lookMs = 100;
const patienceMs = 20_000;

/** Fills at the start and, one key after the other, when Redis can be believed again. */
export function keepWarm({ events, steps, signal, log, spreadMs = 500 }: WarmUpOptions): void {
  let running = false;
  let again = false;

  async function believed({ cache }: WarmStep): Promise<boolean> {
    const end = performance.now() + patienceMs;
    while (cache.on && cache.doubt !== undefined && performance.now() < end && !signal.aborted)
      await pause(lookMs, signal);
    return cache.on && cache.doubt === undefined && !signal.aborted;
  }

  async function fillAll(): Promise<void> {
    await pause(Math.random() * spreadMs, signal);
    for (const step of steps)
      if (await believed(step))
        for (const key of await step.keys()) if (step.cache.doubt === undefined) await step.cache.read(key);
  }

  async function run(): Promise<void> {
    again = true;
    if (running) return;
    running = true;
    while (again && !signal.aborted) {
      again = false;
      await fillAll().catch((error: unknown) => log.debug({ err: error }, "The caches could not be filled ahead"));
    }
    running = false;
  }

  events.on("trust", ({ from }) => {
    // Not at the cost of the request in which it became known.
    if (from === "redis") void withoutBudget(run);
  });
}
