import type { Db } from "mongodb";
import { rounds as inTurns } from "../support/rounds.ts";
import { ratioOf } from "../support/sums.ts";
import type { Measure } from "./lists.ts";
import { hardlyCompared, leastShareOf, type Round, roundsHead, rowOf, shareOf, speedsOf } from "./rounds.ts";
import { amongWrites } from "./writes.ts";

/** Reads that came to MongoDB, whoever asked: those that compare the answers, too, which are the same for both sides. */
async function readsOf(db: Db): Promise<number> {
  const { opcounters } = await db.admin().command({ serverStatus: 1 });
  return opcounters.query;
}

const rooms = Array.from({ length: 20 }, (_, n) => `/api/channels/channel-${n * 2}/messages`);
const textRooms = rooms.filter((_, n) => (n * 2) % 7 !== 6);
const paths = [...Array(8).fill("/api/users"), ...Array(8).fill("/api/channels"), ...textRooms.slice(0, 4)];

interface Mixed extends Round {
  /** Of MongoDB, for each request. */
  reads: number;
}

/** What a chat is asked over the day: lists, and histories of channels; with caches and without, in turns. */
export async function measureMix({ sides, rounds, visitors, db, found, written, times, ms }: Measure): Promise<void> {
  const both = sides.filter(({ name }) => name !== "Redis only (L1 off)");
  const results = await inTurns(both, times, async (side): Promise<Mixed> => {
    await side.forgive();
    const asked = { name: `mixed, ${side.name}`, server: side, paths, ms };
    return amongWrites(side.url, { db, visitors, written }, async () => {
      await rounds.warmUp(asked);
      const before = await readsOf(db);
      const one = await rounds.run(asked);
      return { ...one, reads: ((await readsOf(db)) - before) / one.requests };
    });
  });
  const [off, on] = both.map((side) => results.get(side) ?? []) as [Mixed[], Mixed[]];
  found.tables.push({
    title: "mixed: 40 % users, 40 % channels, 20 % histories",
    head: ["side", ...roundsHead],
    rows: [...results].map(([{ name }, list]) => [name, ...rowOf(list)]),
  });
  const { value, min, max, ours, other } = ratioOf(
    on.map(({ reads }) => reads),
    off.map(({ reads }) => reads),
  );
  const fewer = (ratio: number) => 100 * (1 - ratio);
  found.figures.push(
    { name: "hits of all requests", value: 100 * shareOf(on, ["l1", "redis"]), unit: " %", target: 95 },
    {
      name: "mixed lists and histories, requests per second",
      ...ratioOf(speedsOf(on), speedsOf(off)),
      unit: "×",
      target: 3,
    },
    {
      name: "fewer reads of MongoDB, lists and histories",
      ...{ value: fewer(value), min: fewer(max), max: fewer(min), ours, other },
      unit: " %",
      target: 95,
    },
  );
  found.healthy.push({
    phase: `mixed lists and histories, ${both[1]?.name}`,
    share: leastShareOf(on, ["l1", "redis"]),
    least: 0.8,
  });
  for (const [{ name }, list] of results) found.failures.push(...hardlyCompared(`mixed, ${name}`, list));
}
