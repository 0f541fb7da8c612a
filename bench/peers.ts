import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { createEnds } from "../test/support/ends.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import {
  comparedOf,
  createRounds,
  hardlyCompared,
  leastShareOf,
  type Round,
  roundsHead,
  rowOf,
  speedsOf,
  timesLess,
} from "./cache/rounds.ts";
import { startSide } from "./cache/sides.ts";
import { beginPlainWrites } from "./peers/writers.ts";
import { startPeer } from "./stage/processes.ts";
import { createTally } from "./stage/schedule.ts";
import { secret, seed, sizes } from "./stage/seed.ts";
import type { RunOptions } from "./support/conduct.ts";
import { count, type Report } from "./support/report.ts";
import { rounds as inTurns } from "./support/rounds.ts";
import { ratioOf } from "./support/sums.ts";

const CONNECTIONS = 50;
/** Every seventh is for voice. */
const rooms = [0, 1, 2, 3, 4, 5, 7, 8].map((n) => `channel-${n}`);
const loads: Readonly<Record<string, string[]>> = {
  "/api/users": ["/api/users"],
  "/api/channels": ["/api/channels"],
  histories: rooms.map((room) => `/api/channels/${room}/messages`),
};
const names = ["sluice", "bentocache"] as const;
type Name = (typeof names)[number];

async function measure(mongoUrl: string, rounds: number, ms: number): Promise<Report> {
  const ends = createEnds();
  try {
    const client = ends.add(await mongoose.mongo.MongoClient.connect(mongoUrl));
    const visitors = await seed(client.db());
    const sluice = ends.add(await startSide("sluice", mongoUrl, {}));
    const redis = ends.add(await startRedisServer());
    const at = { host: "127.0.0.1", port: redis.port };
    const bentocache = ends.add(await startPeer("../peers/bentocache", { mongoUrl, redis: at, secret }));
    const sides = { sluice, bentocache };
    const tokens = visitors.map(({ token }) => token);
    const load = ends.add(createRounds({ mongoUrl, tokens, connections: CONNECTIONS }));

    const written = createTally();
    const writes = beginPlainWrites(client.db(), { visitors, rooms });
    const each = Object.entries(loads).flatMap(([what, paths]) => names.map((name) => ({ what, paths, name })));
    const measured = inTurns(
      each,
      rounds,
      ({ what, paths, name }) => load.run({ name: `${what}, ${name}`, server: sides[name], paths, ms }),
      { warm: 1 },
    );
    const results = await measured.finally(async () => written.add(await writes.close()));
    return reportOf({ results, written, rounds, failures: load.failures() });
  } finally {
    await ends.close();
  }
}

interface Measured {
  readonly what: string;
  readonly name: Name;
}

interface Outcome {
  results: ReadonlyMap<Measured, Round[]>;
  written: ReturnType<typeof createTally>;
  rounds: number;
  failures: string[];
}

function reportOf({ results, written, rounds, failures }: Outcome): Report {
  const each = [...results].map(([side, found]) => ({ ...side, title: `${side.what}, ${side.name}`, found }));
  const of = (what: string, name: Name) => each.find((one) => one.what === what && one.name === name)?.found ?? [];
  const asked = Object.keys(loads);
  const wrongOf = (found: readonly Round[]) => found.reduce((sum, { wrong }) => sum + wrong.length, 0);
  const costs = (what: string, name: Name) => of(what, name).map(({ cpu }) => cpu);
  const ours = asked.flatMap((what) => of(what, "sluice"));
  return {
    kind: "bench",
    name: "peers",
    what: `the shipped server beside bentocache (memory, Redis and bus as its documents advise) in front of the same MongoDB: ${sizes.users} users, ${sizes.channels} channels, histories of ${rooms.length} of them, ${CONNECTIONS} connections, while MongoDB is written to, ${rounds} rounds in turns`,
    tables: [
      {
        title: "",
        head: ["side", ...roundsHead, "compared with MongoDB", "wrong"],
        rows: each.map(({ title, found }) => [title, ...rowOf(found), count(comparedOf(found)), count(wrongOf(found))]),
      },
      written.table("written into MongoDB meanwhile"),
    ],
    figures: [
      ...asked.flatMap((what) => [
        {
          name: `${what} beside bentocache`,
          ...ratioOf(speedsOf(of(what, "sluice")), speedsOf(of(what, "bentocache"))),
          unit: "×",
          target: 1,
        },
        {
          name: `${what}, CPU of bentocache / ours`,
          ...timesLess(costs(what, "sluice"), costs(what, "bentocache")),
          unit: "×",
          target: 1,
        },
      ]),
      { name: "answers compared with MongoDB", value: comparedOf(ours), unit: "" },
      { name: "wrong answers", value: wrongOf(ours), unit: "", target: 0, atMost: true },
    ],
    healthy: asked.map((what) => ({
      phase: what,
      share: leastShareOf(of(what, "sluice"), ["l1", "redis"]),
      least: 0.9,
    })),
    failures: [
      // What a peer tells wrongly is shown, and is no failure of ours.
      ...failures.filter((why) => !/bentocache \(wrong\)/.test(why)),
      ...each.flatMap(({ title, found }) => hardlyCompared(title, found)),
      ...written.failures(),
    ],
  };
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [2, 1_000] : [5, 2_000];
  return withMongo((mongoUrl) => measure(mongoUrl, rounds, ms));
}
