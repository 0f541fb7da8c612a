import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { startPeer, startServer } from "./cache/processes.ts";
import { createRounds, hardlyCompared, type Round, roundsHead, rowOf, shareOf, speedsOf } from "./cache/rounds.ts";
import { secret, seed, sizes } from "./cache/seed.ts";
import { beginPlainWrites } from "./peers/writers.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";
import { ratioOf } from "./support/sums.ts";

const CONNECTIONS = 50;
const paths = ["/api/users", "/api/channels"];
const names = ["sluice", "bentocache"] as const;
type Name = (typeof names)[number];

async function measure(mongoUrl: string, rounds: number, ms: number): Promise<Report> {
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const ends: (() => Promise<unknown>)[] = [() => client.close()];
  try {
    const visitors = await seed(client.db());
    const redis = { sluice: await startRedisServer(), bentocache: await startRedisServer() };
    ends.push(() => Promise.all([redis.sluice.close(), redis.bentocache.close()]));
    const where = { NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redis.sluice.url, LOG_LEVEL: "error" };
    const sluice = await startServer({ ...where, JWT_SECRET: secret, SESSION_SECRET: secret });
    ends.push(() => sluice.close());
    const at = { host: "127.0.0.1", port: redis.bentocache.port };
    const bentocache = await startPeer("../peers/bentocache", { mongoUrl, redis: at, secret });
    ends.push(() => bentocache.close());
    const sides = { sluice, bentocache };
    const tokens = visitors.map(({ token }) => token);
    const load = createRounds({ mongoUrl, tokens, connections: CONNECTIONS });
    ends.push(() => load.close());
    const writes = beginPlainWrites(client.db(), visitors);
    ends.push(() => writes.close());

    const results = new Map<string, Round[]>();
    for (let turn = -1; turn < rounds; turn += 1)
      for (const path of paths)
        for (const name of turn % 2 === 0 ? names : [...names].reverse()) {
          const key = `${path} ${name}`;
          const one = await load.run({ name: `${path}, ${name}`, server: sides[name], paths: [path], ms });
          if (turn >= 0) results.set(key, [...(results.get(key) ?? []), one]);
        }
    const of = (path: string, name: Name) => results.get(`${path} ${name}`) ?? [];
    const speeds = (path: string, name: Name) => speedsOf(of(path, name));
    const row = (path: string, name: Name) => [
      `${path}, ${name}`,
      ...rowOf(of(path, name)),
      String(of(path, name).reduce((sum, { checked }) => sum + checked, 0)),
      String(of(path, name).reduce((sum, { wrong }) => sum + wrong.length, 0)),
    ];
    // How much of a processor the other one takes, beside ours.
    const costs = (path: string, name: Name) => of(path, name).map(({ cpu }) => 1 / cpu);
    return {
      kind: "bench",
      name: "peers",
      what: `the shipped server beside bentocache (memory, Redis and bus as its documents advise) in front of the same MongoDB: ${sizes.users} users, ${sizes.channels} channels, ${CONNECTIONS} connections, 5 users a second change in MongoDB, ${rounds} rounds in turns`,
      tables: [
        {
          title: "",
          head: ["side", ...roundsHead, "compared with MongoDB", "wrong"],
          rows: paths.flatMap((path) => names.map((name) => row(path, name))),
        },
      ],
      figures: paths.flatMap((path) => [
        {
          name: `${path} beside bentocache`,
          ...ratioOf(speeds(path, "sluice"), speeds(path, "bentocache")),
          unit: "×",
          target: 1,
        },
        {
          name: `${path}, CPU of bentocache / ours`,
          value: ratioOf(costs(path, "sluice"), costs(path, "bentocache")).value,
          unit: "×",
          target: 1,
        },
      ]),
      healthy: paths.map((path) => ({
        phase: path,
        share: shareOf(of(path, "sluice"), ["l1", "redis"]),
        least: 0.9,
      })),
      failures: [
        // What a peer tells wrongly is shown, and is no failure of ours.
        ...load.failures().filter((why) => !/bentocache \(wrong\)/.test(why)),
        ...paths.flatMap((path) => names.flatMap((name) => hardlyCompared(`${path}, ${name}`, of(path, name)))),
      ],
    };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [2, 1_000] : [5, 2_000];
  return withMongo((mongoUrl) => measure(mongoUrl, rounds, ms));
}
