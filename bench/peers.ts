import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import type { Result } from "./cache/load.ts";
import { cpuOf, createLoader, startPeer, startServer } from "./cache/processes.ts";
import { secret, seed, sizes } from "./cache/seed.ts";
import { beginPlainWrites } from "./peers/writers.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";
import { median, ratioOf } from "./support/sums.ts";

const CONNECTIONS = 50;
const paths = ["/api/users", "/api/channels"];
const names = ["sluice", "bentocache"] as const;
type Name = (typeof names)[number];
type Round = Result & { cpu: number };

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
    const loader = createLoader();
    ends.push(() => loader.close());
    const writes = beginPlainWrites(client.db(), visitors);
    ends.push(() => writes.close());

    const results = new Map<string, Round[]>();
    const tokens = visitors.map(({ token }) => token);
    for (let turn = -1; turn < rounds; turn += 1)
      for (const path of paths)
        for (const name of turn % 2 === 0 ? names : [...names].reverse()) {
          const { port, pid } = sides[name];
          const before = cpuOf(pid);
          const headers = { "Accept-Encoding": "gzip, deflate, br" };
          const order = { port, mongoUrl, tokens, paths: [path], connections: CONNECTIONS, ms, headers, check: true };
          const result = await loader.run(order);
          const cpu = ((cpuOf(pid) - before) / result.requests) * 1e6;
          const key = `${path} ${name}`;
          if (turn >= 0) results.set(key, [...(results.get(key) ?? []), { ...result, cpu }]);
        }
    const of = (path: string, name: Name) => results.get(`${path} ${name}`) ?? [];
    const all = [...results.values()].flat();
    const bad = all.filter(({ statuses }) => Object.keys(statuses).some((status) => status !== "200"));
    const row = (path: string, name: Name) => {
      const middle = (figure: (one: Round) => number) => median(of(path, name).map(figure));
      return [
        `${path}, ${name}`,
        Math.round(middle(({ perSecond }) => perSecond)).toLocaleString("en"),
        `${middle(({ p50 }) => p50).toFixed(2)} ms`,
        `${middle(({ p99 }) => p99).toFixed(2)} ms`,
        `${middle(({ cpu }) => cpu).toFixed(0)} µs`,
        String(of(path, name).reduce((sum, { checked }) => sum + checked, 0)),
        String(of(path, name).reduce((sum, { wrong }) => sum + wrong.length, 0)),
      ];
    };
    const speeds = (path: string, name: Name) => of(path, name).map(({ perSecond }) => perSecond);
    // How much of a processor the other one takes, beside ours.
    const costs = (path: string, name: Name) => of(path, name).map(({ cpu }) => 1 / cpu);
    return {
      kind: "bench",
      name: "peers",
      what: `the shipped server beside bentocache (memory, Redis and bus as its documents advise) in front of the same MongoDB: ${sizes.users} users, ${sizes.channels} channels, ${CONNECTIONS} connections, 5 users a second change in MongoDB, ${rounds} rounds in turns`,
      tables: [
        {
          title: "",
          head: ["side", "requests/s", "p50", "p99", "CPU each", "compared with MongoDB", "wrong"],
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
          value: median(ratios(costs(path, "sluice"), costs(path, "bentocache"))),
          unit: "×",
          target: 1,
        },
      ]),
      healthy: paths.map((path) => {
        const rounds = of(path, "sluice");
        const hits = rounds.reduce((sum, { sources }) => sum + (sources.l1 ?? 0) + (sources.redis ?? 0), 0);
        return { phase: path, share: hits / rounds.reduce((sum, { requests }) => sum + requests, 0), least: 0.9 };
      }),
      failures: [
        ...bad.map(({ statuses }) => `answers of ${JSON.stringify(statuses)}`),
        ...paths.flatMap((path) => of(path, "sluice").flatMap(({ wrong }) => wrong.slice(0, 3))),
      ],
    };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

const ratios = (ours: number[], others: number[]) => ours.map((one, n) => one / (others[n] ?? one));

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [2, 1_000] : [5, 2_000];
  return withMongo((mongoUrl) => measure(mongoUrl, rounds, ms));
}
