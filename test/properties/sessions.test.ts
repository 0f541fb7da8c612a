import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { directed, run, words } from "./commands.ts";
import { createInterleave } from "./interleave.ts";
import { createPlay, type Tally } from "./play.ts";
import { settle } from "./settle.ts";
import { startWorld, type World } from "./world.ts";

const long = process.env.SLUICE_LONG !== undefined;
const wanted = Number(process.env.SLUICE_COMMANDS ?? (long ? 200_000 : 2_000));
const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000_000);
const budgetMs = long ? 3_600_000 : 240_000;

const faults = [
  "redis is down",
  "redis is frozen",
  "redis is full",
  "redis restarts with its data",
  "redis restarts empty",
  "redis restarts with older data",
  "redis is emptied",
  "mongodb is down",
  "dial",
  "mode",
  "kill switch",
  "clock",
  "crash",
  "stock set",
  "stock destroy",
  "backfill step",
  "set",
  "destroy",
  "regenerate",
];

describe("sessions, whatever is done to them", () => {
  const url = mongoUrl("session-properties");
  let world: World;

  beforeAll(async () => {
    world = await startWorld(url);
  });
  afterAll(async () => {
    await world?.close();
    await dropDatabase(url);
  });

  it(
    `hold what they promise over ${wanted} commands`,
    async () => {
      console.log(`seed ${seed}; again with SLUICE_SEED=${seed}`);
      const tally: Tally = { commands: 0, between: {}, rough: 0 };
      const begun = performance.now();
      let runs = 0;
      async function topUp(): Promise<void> {
        await world.begin(false);
        const play = createPlay(world, "directed", tally);
        const perform = createInterleave(world, play, tally);
        for (let round = 0; round < 5; round += 1)
          for (const fault of faults.filter((one) => !tally.between[one])) {
            await world.heal();
            await play.begin();
            const aimed = directed(fault, 0);
            if (aimed) await perform(aimed);
          }
        await settle(world, play);
      }
      const property = fc.asyncProperty(run, async ({ alone, commands }) => {
        if (tally.commands >= wanted) return;
        runs += 1;
        await world.begin(alone);
        const play = createPlay(world, `r${runs}`, tally);
        const perform = createInterleave(world, play, tally);
        await play.begin();
        for (const one of commands) if (tally.commands < wanted) await perform(one);
        await settle(world, play);
      });
      await fc.assert(property, {
        seed,
        numRuns: wanted,
        interruptAfterTimeLimit: budgetMs,
        endOnFailure: process.env.SLUICE_NO_SHRINKING !== undefined,
        reporter(details) {
          if (!details.failed) return;
          const [{ alone, commands } = { alone: false, commands: [] }] = details.counterexample ?? [];
          const lines = commands.map((one, at) => `  ${at + 1}. ${words(one)}`);
          const cause = details.errorInstance instanceof Error ? details.errorInstance.message : "";
          const who = alone ? "one instance" : "two instances";
          throw new Error(
            `seed ${details.seed}, ${who}, shrunk ${details.numShrinks} times:\n${lines.join("\n")}\n${cause}`,
          );
        },
      });
      await topUp();
      const seconds = Math.round((performance.now() - begun) / 1_000);
      console.log(
        `${tally.commands} commands in ${runs} runs and ${seconds} s; faults between two calls of an operation:`,
      );
      for (const fault of faults) console.log(`  ${fault.padEnd(32)} ${tally.between[fault] ?? 0}`);
      console.log(`reads: ${world.spent.read}, of which ${world.spent.redis} by Redis`, world.operations);
      expect(tally.commands).toBeGreaterThanOrEqual(wanted);
      expect(faults.filter((fault) => !tally.between[fault])).toEqual([]);
      expect(world.spent.redis / world.spent.read).toBeGreaterThan(0.2);
    },
    budgetMs + 60_000,
  );
});
