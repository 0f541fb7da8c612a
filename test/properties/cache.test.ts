import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";
import { perform, plays } from "./cache-play.ts";
import { startWorld, type World } from "./cache-world.ts";

const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000_000);
const endOnFailure = process.env.SLUICE_NO_SHRINKING !== undefined;

const usual = [
  { name: "by servers alone, under evictions", followed: false, sentinels: false, budgetMs: long ? 1_200_000 : 8_000 },
  {
    name: "also past every server, under faults of Redis",
    followed: true,
    sentinels: false,
    budgetMs: long ? 2_400_000 : 10_000,
  },
];
// A failover takes seconds, so few fit into the ordinary run.
const failovers = {
  name: "also past every server, while masters of Redis die",
  followed: true,
  sentinels: true,
  budgetMs: 1_200_000,
};

describe.each(long ? [...usual, failovers] : usual)("caches written $name", ({ followed, sentinels, budgetMs }) => {
  const url = mongoUrl(`cache-properties-${followed}-${sentinels}`);
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ mongoUrl: url, followed, sentinels });
    for (const nickname of ["Zoe", "adam", "bob", "émile"])
      await world.instances[0].services.accounts.register({
        nickname,
        email: `${nickname}@example.com`,
        password: "secret",
      });
    for (const one of world.instances) await one.trusting();
  });
  afterAll(async () => {
    await world?.close();
    await dropDatabase(url);
  });

  it(
    "are what MongoDB has",
    async () => {
      console.log(`seed ${seed}; again with SLUICE_SEED=${seed}`);
      let runs = 0;
      const end = performance.now() + budgetMs;
      const scheduler = fc.scheduler({
        act: async (step) => {
          // Others get in line meanwhile.
          await pause(1);
          return step();
        },
      });
      const property = fc.asyncProperty(plays(followed, sentinels), scheduler, async (play, order) => {
        if (runs > 0 && performance.now() > end) return;
        runs += 1;
        await perform(world, play, order, followed);
      });
      await fc.assert(property, { seed, numRuns: long ? 100_000 : 1_000, endOnFailure });
      const sum = (words: string) => world.instances.reduce((total, { counts }) => total + (counts[words] ?? 0), 0);
      const seen = ["users", "messages", "whispers", "channels"].map((cache) => ({
        cache,
        ...Object.fromEntries(
          ["request redis", "request mongo", "fill complete", "fill lost", "push changed", "push missing"].map(
            (what) => [what, sum(what.replace(" ", ` ${cache} `))],
          ),
        ),
      }));
      console.log(`${runs} runs`, seen);
      for (const cache of ["messages", "whispers"])
        expect(sum(`request ${cache} redis`), cache).toBeGreaterThan(runs / 2);
    },
    budgetMs + 120_000,
  );
});
