import { figuresOf } from "../../test/support/metrics.ts";
import type { Side } from "./side.ts";

/** What a server holds and what its Redis does, in bytes. */
export interface Memory {
  readonly heap: number;
  readonly rss: number;
  readonly redis: number;
}

/** For the program of a side whose memory is looked at: it throws away what nobody needs when it is told to. */
export const tidying = ["--expose-gc", "--import", 'data:text/javascript,process.on("SIGUSR2",()=>globalThis.gc())'];

const looks = 3;

/** The least that a few looks find: the signal is heard a moment later. */
export async function memoryOf({ server, redis }: Side): Promise<Memory> {
  process.kill(server.pid, "SIGUSR2");
  const found = { heap: Number.POSITIVE_INFINITY, rss: Number.POSITIVE_INFINITY };
  for (let look = 0; look < looks; look += 1) {
    const figures = await figuresOf(server.url);
    found.heap = Math.min(found.heap, figures.of("nodejs_heap_size_used_bytes") ?? Number.NaN);
    found.rss = Math.min(found.rss, figures.of("process_resident_memory_bytes") ?? Number.NaN);
  }
  return { ...found, redis: Number(await redis.info("used_memory")) };
}
