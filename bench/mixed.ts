import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { figuresOf } from "../test/support/metrics.ts";
import { type Lived, mix } from "./mixed/people.ts";
import { type Side, startSide } from "./mixed/side.ts";
import { heldBy, tellsWhatItHolds } from "./stage/held.ts";
import { leastDone } from "./stage/schedule.ts";
import { seed, type Visitor } from "./stage/seed.ts";
import type { RunOptions } from "./support/conduct.ts";
import { type Cell, count, type Figure, megabytes, ms, percent, perSecond, type Report } from "./support/report.ts";
import { rounds as inTurns, mostStolen, watchDisturbance } from "./support/rounds.ts";
import { median, ratioOf } from "./support/sums.ts";

interface Size {
  people: number;
  rate: number;
  rounds: number;
  ms: number;
  /** Of the load on the side with everything on, with nobody beside it. */
  steadyMs: number;
}

const whole: Size = { people: 1_000, rate: 80, rounds: 3, ms: 6_000, steadyMs: 300_000 };
const brief: Size = { people: 300, rate: 80, rounds: 3, ms: 4_000, steadyMs: 25_000 };
const sizes = { channels: 50, messages: 100_000 };
/** Part of the long load that is lived before memory is looked at for the first time. */
const settling = 0.15;
/** A part of the long load: what disturbs one of them is not what all of them are like. */
const partMs = 5_000;
const givenToRedis = 256 * 2 ** 20;
const rooms = Array.from({ length: sizes.channels }, (_, n) => n)
  .filter((n) => n % 7 !== 6)
  .map((n) => `channel-${n}`);

const configured = [
  ["Redis off", { DISABLE_REDIS: "true" }],
  ["L2: Redis, nothing in memory", { CACHE_L1_MB: "0" }],
  ["L1: as shipped, sessions at 100 %", {}],
] as const;

/** With what it asked MongoDB meanwhile, by collection, and the share of the load that was really done. */
interface Round extends Lived {
  cpu: number;
  reads: ReadonlyMap<string, number>;
  kept: number;
  /** By other machines. */
  disturbed: boolean;
}

async function round(side: Side, ms: number, rate: number): Promise<Round> {
  const before = await side.reads();
  const wasDisturbed = watchDisturbance();
  const lived = await side.live(ms, rate);
  const disturbed = wasDisturbed();
  const after = await side.reads();
  const reads = new Map([...after].map(([of, count]) => [of, count - (before.get(of) ?? 0)]));
  return { ...lived, reads, disturbed, kept: lived.actions / ((rate * ms) / 1_000) };
}

async function measure(mongoUrl: string, size: Size): Promise<Report> {
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const sides: Side[] = [];
  try {
    const db = client.db();
    const visitors: Visitor[] = await seed(db, { users: size.people, ...sizes });
    const how = { nodeArgs: tellsWhatItHolds };
    for (const [name, env] of configured) sides.push(await startSide({ name, mongoUrl, visitors, rooms, env, how }));
    const results = await inTurns(sides, size.rounds, (side) => round(side, size.ms, size.rate), { warm: 1 });
    const [off, l2, on] = sides as [Side, Side, Side];
    await Promise.all([off.close(), l2.close()]);
    await on.live(size.steadyMs * settling, size.rate);
    const before = await memoryOf(on);
    const hitsBefore = await cacheReads(on);
    const lived: Round[] = [];
    for (let ms = 0; ms < size.steadyMs; ms += partMs) lived.push(await round(on, partMs, size.rate));
    const memory = { before, after: await memoryOf(on) };
    const hits = between(hitsBefore, await cacheReads(on));
    const connections = Number(await on.redis.info("connected_clients"));
    const of = (side: Side) => results.get(side) ?? [];
    return reportOf({ size, sides, of, off, l2, on, lived, memory, hits, connections });
  } finally {
    await Promise.all(sides.map((side) => side.close()));
    await client.close();
  }
}

/** The parts that other machines did not disturb, and what is said of the others; all of them, where too few are left. */
function calmOf(lived: readonly Round[]): { calm: readonly Round[]; words: string } {
  const calm = lived.filter(({ disturbed }) => !disturbed);
  const enough = calm.length >= lived.length / 3;
  const [all, others] = [lived.length, lived.length - calm.length];
  const left = others === 0 ? "" : enough ? ", which are left out" : ", which are too many to be left out";
  const words = `a hit's p99 and an answer's mean are those of its parts of ${partMs / 1_000} s, and in ${others} of these ${all} other machines took more than ${mostStolen} % of the processors' time${left}`;
  return { calm: enough ? calm : lived, words };
}

function middleOf(lived: readonly Round[], figure: "hitP99" | "mean") {
  const figures = lived.map((one) => one[figure]);
  return { value: median(figures), min: Math.min(...figures), max: Math.max(...figures) };
}

/** Of the server without garbage, and of its Redis, in bytes. */
async function memoryOf({ server, redis }: Side) {
  const { heapUsed: heap, rss } = await heldBy(server.pid);
  return { heap, rss, redis: Number(await redis.info("used_memory")) };
}

type Memory = Awaited<ReturnType<typeof memoryOf>>;

const sum = (counts: readonly number[]) => counts.reduce((all, one) => all + one, 0);

interface CacheReads {
  all: number;
  hits: number;
}

/** What the caches of the lists and histories were asked, and what they had. */
async function cacheReads(side: Side): Promise<CacheReads> {
  const counted = (await figuresOf(side.server.url)).all("chat_cache_requests_total");
  const hits = counted.filter(({ labels: { result } }) => result === "l1" || result === "redis");
  return { all: sum(counted.map(({ value }) => value)), hits: sum(hits.map(({ value }) => value)) };
}

const between = (before: CacheReads, after: CacheReads) => ({
  all: after.all - before.all,
  hits: after.hits - before.hits,
});

interface Outcome {
  size: Size;
  sides: Side[];
  of(side: Side): Round[];
  off: Side;
  l2: Side;
  on: Side;
  /** Alone, and on and on. */
  lived: Round[];
  memory: { before: Memory; after: Memory };
  hits: CacheReads;
  connections: number;
}

function reportOf({ size, sides, of, off, l2, on, lived, memory, hits, connections }: Outcome): Report {
  const { calm, words: ofParts } = calmOf(lived);
  const per = (side: Side) => of(side).map((one) => one.actions / one.cpu);
  // What lapses once a minute would be in one of the short rounds or in none: what is shipped counts as long as it runs.
  const all = (side: Side) => (side === on ? [...of(side), ...lived] : of(side));
  const perAction = (side: Side, counted: (one: Round) => number) =>
    sum(all(side).map(counted)) / sum(all(side).map(({ actions }) => actions));
  const reads = (side: Side) => perAction(side, (one) => sum([...one.reads.values()]));
  const readsOf = (side: Side, name: string) => perAction(side, (one) => one.reads.get(name) ?? 0);
  const asked = [...new Set(sides.flatMap((side) => of(side).flatMap((one) => [...one.reads.keys()])))];
  const row = (side: Side) => {
    const middle = (figure: (round: Round) => number) => median(of(side).map(figure));
    return [
      side.name,
      perSecond((size.rate * sum(of(side).map(({ kept }) => kept))) / of(side).length),
      count(median(per(side))),
      ms(1e3 / median(per(side))),
      count(reads(side), 3),
      percent(100 * middle((one) => one.hits / one.requests)),
      ms(middle((one) => one.p50)),
      ms(middle((one) => one.p99)),
    ];
  };
  const collections = asked.filter((name) => sides.some((side) => readsOf(side, name) >= 0.001)).sort();
  const bad = [
    ...sides.flatMap((side) => of(side).map((one) => ({ name: side.name, bad: one.bad }))),
    ...lived.map((one) => ({ name: "L1, on and on", bad: one.bad })),
  ];
  const inMegabytes = (bytes: number) => bytes / 2 ** 20;
  const change = (title: string, of: keyof Memory): Cell[] => [
    title,
    ...[memory.before, memory.after].map((at) => megabytes(inMegabytes(at[of]))),
  ];
  const steadiness = (name: string, of: keyof Memory, target: number): Figure => ({
    ...{ name: `${name} after / before`, value: memory.after[of] / memory.before[of], unit: "×" },
    ...{ ours: inMegabytes(memory.after[of]), other: inMegabytes(memory.before[of]) },
    ...{ target, atMost: true },
  });
  return {
    kind: "bench",
    name: "mixed",
    what: `${size.people} people over sockets in ${rooms.length} of ${sizes.channels} channels with ${sizes.messages.toLocaleString("en")} messages; ${size.rate} actions a second, of a hundred ${Object.entries(
      mix,
    )
      .map(([name, share]) => `${share} ${name}`)
      .join(
        ", ",
      )}; ${size.rounds} rounds in turns, then ${Math.round(size.steadyMs / 1_000)} s of it on the server as shipped but for sessions at 100 %, alone; ${ofParts}`,
    tables: [
      {
        title: "the same load on three configurations",
        head: [
          "side",
          "actions",
          "actions per CPU second",
          "CPU each",
          "MongoDB queries each",
          "requests from a cache",
          "p50",
          "p99",
        ],
        rows: sides.map(row),
      },
      {
        title: "what MongoDB is asked for each action, by collection",
        head: ["collection", ...sides.map(({ name }) => name)],
        rows: collections.map((name) => [name, ...sides.map((side) => count(readsOf(side, name), 3))]),
      },
      {
        title: "memory, before and after",
        head: ["", "before", "after"],
        rows: [
          change("heap of the server in use", "heap"),
          change("the server's process", "rss"),
          change("Redis", "redis"),
        ],
      },
    ],
    figures: [
      { name: "hit rate", value: (100 * hits.hits) / hits.all, unit: " %", target: 95 },
      {
        name: "fewer reads of MongoDB",
        value: 100 * (1 - reads(on) / reads(off)),
        ours: reads(on),
        other: reads(off),
        unit: " %",
        target: 95,
      },
      {
        name: "fewer reads of MongoDB with Redis alone",
        value: 100 * (1 - reads(l2) / reads(off)),
        ours: reads(l2),
        other: reads(off),
        unit: " %",
        target: 70,
      },
      { name: "actions per CPU second, beside Redis off", ...ratioOf(per(on), per(off)), unit: "×" },
      { name: "actions per CPU second, L2 beside Redis off", ...ratioOf(per(l2), per(off)), unit: "×" },
      { name: "a hit, p99", ...middleOf(calm, "hitP99"), unit: " ms", target: 10, atMost: true },
      { name: "an answer, mean", ...middleOf(calm, "mean"), unit: " ms", target: 100, atMost: true },
      {
        name: "people connected at once",
        value: Math.min(...lived.map(({ inside }) => inside)),
        unit: "",
        target: 1_000,
      },
      { name: "connections to Redis", value: connections, unit: "", target: 1_000, atMost: true },
      {
        name: "memory of Redis, of 256 MB",
        value: (100 * memory.after.redis) / givenToRedis,
        unit: " %",
        target: 70,
        atMost: true,
      },
      steadiness("heap", "heap", 1.2),
      steadiness("process", "rss", 1.25),
      steadiness("Redis's memory", "redis", 1.25),
    ],
    healthy: [on, l2].map((side) => ({
      phase: side.name,
      share: Math.min(...of(side).map((one) => one.hits / one.requests)),
      least: 0.8,
    })),
    failures: [
      ...[...of(on), ...lived].flatMap(({ kept }) =>
        kept < leastDone ? [`of the load on ${on.name} only ${(100 * kept).toFixed(0)} % was done`] : [],
      ),
      ...bad.flatMap(({ name, bad: words }) =>
        Object.keys(words).length > 0 ? [`${name}: ${JSON.stringify(words)}`] : [],
      ),
      ...sides
        .filter((side) => of(side).some(({ delivered }) => delivered === 0))
        .map(({ name }) => `${name}: what was said reached nobody`),
    ],
  };
}

export async function run({ short }: RunOptions): Promise<Report> {
  return withMongo((mongoUrl) => measure(mongoUrl, short ? brief : whole));
}
