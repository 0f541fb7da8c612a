import { setTimeout as pause } from "node:timers/promises";
import type { Side } from "./side.ts";

interface Change {
  before: number;
  after: number;
}

/** In bytes. */
export interface Steady {
  heap: Change;
  rss: Change;
  redis: Change;
}

const lookMs = 500;
const partLooked = 0.15;

/** The least in the first part of the samples and in the last: what garbage collection leaves. */
function changeOf(samples: readonly number[]): Change {
  const some = Math.max(3, Math.ceil(samples.length * partLooked));
  return { before: Math.min(...samples.slice(0, some)), after: Math.min(...samples.slice(-some)) };
}

/** Looks at the memory of the server and of its Redis all the while. */
export async function memoryOf<T>(side: Side, work: () => Promise<T>): Promise<Steady & { lived: T }> {
  const samples = { heap: [] as number[], rss: [] as number[], redis: [] as number[] };
  let over = false;
  const looking = (async () => {
    while (!over) {
      samples.heap.push(await side.figure("nodejs_heap_size_used_bytes"));
      samples.rss.push(await side.figure("process_resident_memory_bytes"));
      samples.redis.push(Number(await side.redis.info("used_memory")));
      await pause(lookMs);
    }
  })();
  const lived = await work();
  over = true;
  await looking;
  return { lived, heap: changeOf(samples.heap), rss: changeOf(samples.rss), redis: changeOf(samples.redis) };
}
