import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { long } from "../../support/long.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import { type Round, rounds, startTown } from "./town.ts";

const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000_000);
const runs = long ? 30 : 1;

/** What went wrong once: Redis freezes before the first instance has ever looked who else is there. */
const known: [Round[]][] = [
  [
    [
      {
        trouble: "Redis is frozen",
        victim: 0,
        before: [
          { act: "open", user: 0, at: 0 },
          { act: "close", nth: 0 },
        ],
        during: [
          { act: "open", user: 0, at: 1 },
          { act: "open", user: 1, at: 1 },
        ],
        after: [
          { act: "close", nth: 1 },
          { act: "close", nth: 0 },
        ],
      },
    ],
  ],
];

describe("presence, whatever happens to instances and to Redis", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedisServer();
  });
  afterAll(() => redis?.close());

  it(
    "is right in the end, says of nobody twice that they came or went, and forgets nobody meanwhile",
    async () => {
      console.log(`seed ${seed}; again with SLUICE_SEED=${seed}`);
      const took: Record<string, number> = {};
      let events = 0;
      const property = fc.asyncProperty(rounds, async (list) => {
        await redis.ask("FLUSHALL");
        const town = await startTown(redis);
        try {
          for (const round of list) took[round.trouble] = Math.max(took[round.trouble] ?? 0, await town.play(round));
        } finally {
          events += town.told.length;
          await town.close();
        }
      });
      const { failed, counterexample, errorInstance } = await fc.check(property, {
        seed,
        examples: known,
        numRuns: known.length + runs,
        endOnFailure: true,
      });
      if (failed) {
        const played = (counterexample?.[0] ?? []).map((round) => JSON.stringify(round));
        throw new Error(`seed ${seed}:\n${played.join("\n")}\n${String(errorInstance)}`, { cause: errorInstance });
      }
      const words = Object.entries(took).map(([name, ms]) => `  ${String(Math.round(ms)).padStart(5)} ms  ${name}`);
      console.log(`right again after at most\n${words.join("\n")}\n${events} comings and goings were told`);
      expect(events).toBeGreaterThan(10);
    },
    runs * 180_000,
  );
});
