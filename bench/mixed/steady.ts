import { setTimeout as pause } from "node:timers/promises";
import { figuresOf } from "../../test/support/metrics.ts";
import type { Side } from "./side.ts";

export interface Change {
  before: number;
  after: number;
}

/** In bytes. */
export interface Steady {
  heap: Change;
  rss: Change;
  redis: Change;
}

// Making the page of metrics takes the server some milliseconds, in which it answers nobody.
const looks = 60;
const seldomMs = 1_000;
const partLooked = 0.15;

/** The least in the first part of the samples and in the last: what garbage collection leaves. */
function changeOf(samples: readonly number[]): Change {
  const some = Math.max(3, Math.ceil(samples.length * partLooked));
  return { before: Math.min(...samples.slice(0, some)), after: Math.min(...samples.slice(-some)) };
}

/** Looks at the memory of the server and of its Redis all the while, about `ms` long, and once at the end. */
export async function memoryOf<T>(side: Side, ms: number, work: () => Promise<T>): Promise<Steady & { lived: T }> {
  const samples = { heap: [] as number[], rss: [] as number[], redis: [] as number[] };
  async function look(): Promise<void> {
    const figures = await figuresOf(side.server.url);
    samples.heap.push(figures.of("nodejs_heap_size_used_bytes") ?? Number.NaN);
    samples.rss.push(figures.of("process_resident_memory_bytes") ?? Number.NaN);
    samples.redis.push(Number(await side.redis.info("used_memory")));
  }
  const lookMs = Math.max(ms / looks, seldomMs);
  const over = new AbortController();
  const { signal } = over;
  const looking = (async () => {
    while (!signal.aborted) {
      await look();
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  const lived = await work();
  over.abort();
  await looking;
  await look();
  return { lived, heap: changeOf(samples.heap), rss: changeOf(samples.rss), redis: changeOf(samples.redis) };
}
