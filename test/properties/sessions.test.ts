import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { directed, run, words } from "./commands.ts";
import { createInterleave } from "./interleave.ts";
import { createPlay, type Tally } from "./play.ts";
import { settle } from "./settle.ts";
import { Failure, shrink } from "./shrink.ts";
import { startWorld, type World } from "./world.ts";

const long = process.env.SLUICE_LONG !== undefined;
const wanted = Number(process.env.SLUICE_COMMANDS ?? (long ? 200_000 : 1_200));
const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000_000);
/** Worlds that live beside each other, because in each of them most of the time is spent waiting. */
const beside = Number(process.env.SLUICE_WORLDS ?? 3);
const budgetMs = Number(process.env.SLUICE_MINUTES ?? (long ? 60 : 4)) * 60_000;
const shrinkMs = process.env.SLUICE_NO_SHRINKING === undefined ? 90_000 : 0;

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

type Run = typeof run extends fc.Arbitrary<infer R> ? R : never;

describe("sessions, whatever is done to them", () => {
  const urls = Array.from({ length: beside }, (_, n) => mongoUrl(`session-properties-${n}`));
  let worlds: World[] = [];

  beforeAll(async () => {
    worlds = await Promise.all(urls.map((url) => startWorld(url)));
  });
  afterAll(async () => {
    await Promise.all(worlds.map((world) => world.close()));
    await Promise.all(urls.map(dropDatabase));
  });

  it(
    `hold what they promise over ${wanted} commands`,
    async () => {
      console.log(`seed ${seed}; again with SLUICE_SEED=${seed}`);
      const tally: Tally = { commands: 0, between: {}, rough: 0, restarts: 0 };
      const begun = performance.now();
      let runs = 0;
      let failed: World | undefined;

      const spent = () => tally.commands >= wanted || performance.now() - begun > budgetMs;

      async function played(world: World, { alone, commands }: Run): Promise<void> {
        const over = () => (failed ? failed !== world : spent());
        if (over()) return;
        runs += 1;
        const prefix = `r${runs}`;
        let done = 0;
        try {
          await world.begin(alone);
          const play = createPlay(world, prefix, tally);
          const perform = createInterleave(world, play, tally);
          await play.begin();
          for (const one of commands) {
            if (over()) break;
            done += 1;
            await perform(one);
          }
          await settle(world, play);
        } catch (error) {
          failed ??= world;
          throw new Failure(done, error);
        }
      }

      /** Of the faults that chance has left out. */
      async function topUp(world: World): Promise<void> {
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

      /** The shortest way to the failure that can be found in time. */
      async function tell(world: World, own: number, { alone, commands }: Run, failure: Failure): Promise<never> {
        const since = performance.now();
        const again = (some: Run["commands"]) =>
          played(world, { alone, commands: some }).then(
            () => undefined,
            (error: unknown) => (error instanceof Failure ? error : undefined),
          );
        const least = await shrink(commands, failure, again, () => performance.now() - since > shrinkMs);
        const lines = least.commands.map((one, at) => `  ${at + 1}. ${words(one)}`).join("\n");
        const who = alone ? "one instance" : "two instances";
        const from = `shrunk from ${commands.length} commands in ${least.runs} runs`;
        throw new Error(`seed ${own}, ${who}, ${from}:\n${lines}\n${least.failure.message}`);
      }

      /** Batch after batch, each with a seed of its own, by which it comes again. */
      async function live(world: World, n: number): Promise<void> {
        const property = fc.asyncProperty(run, (one) => played(world, one));
        for (let own = seed + n; !failed && !spent(); own += worlds.length) {
          const { counterexample, errorInstance } = await fc.check(property, {
            seed: own,
            numRuns: 10,
            endOnFailure: true,
          });
          if (errorInstance instanceof Failure && counterexample)
            await tell(world, own, counterexample[0], errorInstance);
          else if (errorInstance) throw errorInstance;
        }
      }
      for (const one of await Promise.allSettled(worlds.map(live))) if (one.status === "rejected") throw one.reason;
      const [first] = worlds;
      if (first) await topUp(first);

      const seconds = Math.round((performance.now() - begun) / 1_000);
      const counts = `${tally.commands} commands, ${tally.restarts} of them restarts, in ${runs} runs and ${seconds} s`;
      console.log(`${counts}; faults between two calls of an operation:`);
      for (const fault of faults) console.log(`  ${fault.padEnd(32)} ${tally.between[fault] ?? 0}`);
      const sum = (of: (world: World) => number) => worlds.reduce((so, world) => so + of(world), 0);
      const [read, redis] = [sum(({ spent }) => spent.read), sum(({ spent }) => spent.redis)];
      console.log(`reads: ${read}, of which ${redis} by Redis`);
      const done = new Set(worlds.flatMap(({ operations }) => Object.keys(operations)));
      for (const one of done) console.log(`  ${one.padEnd(32)} ${sum(({ operations }) => operations[one] ?? 0)}`);
      expect(tally.commands).toBeGreaterThanOrEqual(wanted);
      expect(tally.restarts / tally.commands).toBeLessThan(long ? 0.01 : 0.03);
      expect(faults.filter((fault) => !tally.between[fault])).toEqual([]);
      expect(redis / read).toBeGreaterThan(0.1);
    },
    budgetMs + shrinkMs + 60_000,
  );
});
