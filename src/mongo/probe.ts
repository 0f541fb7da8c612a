import type { Db } from "mongodb";
import type { Clock } from "../kernel/clock.ts";
import { createSampler, type Sampler } from "../kernel/sampler.ts";
import { within } from "./bounded.ts";

export interface MongoProbeOptions {
  db: Db;
  clock: Clock;
  everyMs?: number;
  deadlineMs?: number;
}

/** One ping a second, however many ask; a sample is the time that MongoDB took, in seconds. */
export function createMongoProbe({ db, clock, everyMs = 1_000, deadlineMs = 500 }: MongoProbeOptions): Sampler<number> {
  // The driver's ping would wait as long as its socket does; its connection must be free again before that.
  const giveUpMs = 4 * deadlineMs;
  return createSampler({
    clock,
    everyMs,
    deadlineMs,
    async probe() {
      const asked = performance.now();
      await within(giveUpMs, db.command({ ping: 1 }, { signal: AbortSignal.timeout(giveUpMs) }));
      return (performance.now() - asked) / 1_000;
    },
  });
}
