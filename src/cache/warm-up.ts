import { withoutBudget } from "../kernel/budget.ts";
import type { Log } from "../kernel/log.ts";
import { pause } from "../kernel/pause.ts";
import type { Cache, CacheEventSource } from "./types.ts";

/** A cache, and which of its keys to fill ahead of those who ask; later ones may depend on earlier ones. */
export interface WarmStep {
  readonly cache: Pick<Cache<unknown>, "name" | "on" | "doubt" | "stamp" | "read">;
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
/**
 * Filling rests for so many times as long as it took. A list so long that reading it holds the process up makes Redis
 * doubtful for a moment by itself, which would begin it again for ever.
 */
const rests = 20;

/** Fills at the start and, one key after the other, when Redis can be believed again. */
export function keepWarm({ events, steps, signal, log, spreadMs = 500 }: WarmUpOptions): void {
  let running = false;
  let again = false;
  let busyMs = 0;

  async function read({ cache }: WarmStep, key: string): Promise<void> {
    if (cache.doubt !== undefined) return;
    const begun = performance.now();
    try {
      // What is there already is not read by each instance: of a long list that would hold it up for nothing.
      if (!(await cache.stamp(key))) await cache.read(key);
    } finally {
      busyMs += performance.now() - begun;
    }
  }

  async function believed({ cache }: WarmStep): Promise<boolean> {
    const end = performance.now() + patienceMs;
    while (cache.on && cache.doubt !== undefined && performance.now() < end && !signal.aborted)
      await pause(lookMs, signal);
    return cache.on && cache.doubt === undefined && !signal.aborted;
  }

  async function fillAll(): Promise<void> {
    await pause(Math.random() * spreadMs, signal);
    for (const step of steps) if (await believed(step)) for (const key of await step.keys()) await read(step, key);
  }

  async function run(): Promise<void> {
    again = true;
    if (running) return;
    running = true;
    while (again && !signal.aborted) {
      again = false;
      busyMs = 0;
      await fillAll().catch((error: unknown) => log.debug({ err: error }, "The caches could not be filled ahead"));
      await pause(rests * busyMs, signal);
    }
    running = false;
  }

  events.on("trust", ({ from }) => {
    // Not at the cost of the request in which it became known.
    if (from === "redis") void withoutBudget(run);
  });
}
