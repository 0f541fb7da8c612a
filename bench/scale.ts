import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { figureOf } from "../test/support/metrics.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { cpuOf, createLoader, startServer } from "./cache/processes.ts";
import { secret, seed } from "./cache/seed.ts";
import { beginPlainWrites } from "./peers/writers.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Figure, Healthy, Report } from "./support/report.ts";

const steps = [
  { users: 500, channels: 50, messages: 10_000 },
  { users: 5_000, channels: 500, messages: 100_000 },
  { users: 50_000, channels: 5_000, messages: 1_000_000 },
];
const shortSteps = steps.slice(0, 2);
const CONNECTIONS = 10;
const warmMs = 2_000;
const loads = [
  ["all users", "/api/users"],
  ["all channels", "/api/channels"],
  ["a page of users", "/api/users?sort=lastActive&limit=50"],
  ["a history", "/api/channels/channel-0/messages"],
] as const;

interface Cost {
  perSecond: number;
  /** µs of the server's processor, and bytes as they are sent. */
  cpu: number;
  bytes: number;
  hits: number;
}

interface Step {
  label: string;
  costs: Map<string, Cost>;
  serverMb: number;
  redisMb: number;
}

type Size = (typeof steps)[number];

/** What one request costs when the database has so much, while users change five times a second. */
async function measure(mongoUrl: string, size: Size, ms: number): Promise<Step> {
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const ends: (() => Promise<unknown>)[] = [() => client.close()];
  try {
    const visitors = await seed(client.db(), size);
    const redis = await startRedisServer();
    ends.push(() => redis.close());
    const where = { NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redis.url, LOG_LEVEL: "error" };
    const server = await startServer({ ...where, JWT_SECRET: secret, SESSION_SECRET: secret, RATE_LIMITS: "off" });
    ends.push(() => server.close());
    const loader = createLoader();
    ends.push(() => loader.close());
    const writes = beginPlainWrites(client.db(), visitors);
    ends.push(() => writes.close());
    const tokens = visitors.map(({ token }) => token);
    const costs = new Map<string, Cost>();
    for (const [name, path] of loads) {
      const headers = { "Accept-Encoding": "br" };
      const order = {
        port: server.port,
        mongoUrl,
        tokens,
        paths: [path],
        connections: CONNECTIONS,
        headers,
        check: false,
      };
      await loader.run({ ...order, ms: warmMs });
      const before = cpuOf(server.pid);
      const { requests, perSecond, megabytes, sources, statuses } = await loader.run({ ...order, ms });
      if (Object.keys(statuses).join() !== "200")
        throw new Error(`${path} was answered by ${JSON.stringify(statuses)}`);
      const cpu = ((cpuOf(server.pid) - before) / requests) * 1e6;
      const hits = ((sources.l1 ?? 0) + (sources.redis ?? 0)) / requests;
      costs.set(name, { perSecond, cpu, bytes: (megabytes * 1e6) / requests, hits });
    }
    const serverMb = (await figureOf(server.url, "process_resident_memory_bytes")) / 2 ** 20;
    const redisMb = Number(await redis.info("used_memory")) / 2 ** 20;
    const label = [size.users, size.channels, size.messages].map((one) => one.toLocaleString("en")).join(" / ");
    return { label, costs, serverMb, redisMb };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function reportOf(measured: readonly Step[]): Report {
  const rows = measured.flatMap(({ label, costs }) =>
    [...costs].map(([name, { perSecond, cpu, bytes }]) => [
      label,
      name,
      Math.round(perSecond).toLocaleString("en"),
      `${cpu.toFixed(0)} µs`,
      `${(bytes / 1_024).toFixed(1)} kB`,
      `${(cpu / (bytes / 1_024)).toFixed(1)} µs`,
    ]),
  );
  const [first, last] = [measured[0], measured.at(-1)] as [Step, Step];
  const growth = (name: string, of: (cost: Cost) => number, what: string): Figure => {
    const [other, ours] = [first, last].map(({ costs }) => of(costs.get(name) as Cost)) as [number, number];
    return { name: `${name}: CPU per ${what}, largest / smallest`, value: ours / other, ours, other, unit: "×" };
  };
  return {
    kind: "bench",
    name: "scale",
    what: `what one request costs as the chat grows from ${first.label} to ${last.label} users / channels / messages, ${CONNECTIONS} connections, 5 users a second change`,
    tables: [
      {
        title: "",
        head: ["users / channels / messages", "asked for", "requests/s", "CPU each", "sent", "CPU per kB"],
        rows,
      },
      {
        title: "memory afterwards",
        head: ["users / channels / messages", "the server's process", "Redis"],
        rows: measured.map(({ label, serverMb, redisMb }) => [
          label,
          `${serverMb.toFixed(0)} MB`,
          `${redisMb.toFixed(1)} MB`,
        ]),
      },
    ],
    figures: [
      growth("all users", ({ cpu, bytes }) => cpu / (bytes / 1_024), "kB"),
      growth("all channels", ({ cpu, bytes }) => cpu / (bytes / 1_024), "kB"),
      growth("a page of users", ({ cpu }) => cpu, "request"),
      growth("a history", ({ cpu }) => cpu, "request"),
      {
        name: "memory of the server, largest / smallest",
        value: last.serverMb / first.serverMb,
        ours: last.serverMb,
        other: first.serverMb,
        unit: "×",
      },
      {
        name: "memory of Redis, largest / smallest",
        value: last.redisMb / first.redisMb,
        ours: last.redisMb,
        other: first.redisMb,
        unit: "×",
      },
    ],
    healthy: measured.map(({ label, costs }): Healthy => {
      const shares = [...costs.values()].map(({ hits }) => hits);
      return { phase: label, share: shares.reduce((sum, one) => sum + one, 0) / shares.length, least: 0.7 };
    }),
    failures: [],
  };
}

export async function run({ short }: RunOptions): Promise<Report> {
  const measured: Step[] = [];
  for (const size of short ? shortSteps : steps) {
    measured.push(await withMongo((mongoUrl) => measure(mongoUrl, size, short ? 1_500 : 4_000)));
    console.error(`${measured.at(-1)?.label}: done`);
  }
  return reportOf(measured);
}
