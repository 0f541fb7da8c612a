import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { figureOf } from "../test/support/metrics.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { createRounds, shareOf } from "./cache/rounds.ts";
import { beginPlainWrites } from "./peers/writers.ts";
import { startServer } from "./stage/processes.ts";
import { secret, seed } from "./stage/seed.ts";
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
/** An answer that keeps the server busy for longer makes it late in looking after Redis: MongoDB answers, as it should. */
const hugeCpu = 100_000;
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
  failures: string[];
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
    const tokens = visitors.map(({ token }) => token);
    const rounds = createRounds({ mongoUrl, tokens, connections: CONNECTIONS });
    ends.push(() => rounds.close());
    const writes = beginPlainWrites(client.db(), { visitors, rooms: ["channel-0"] });
    ends.push(() => writes.close());
    const costs = new Map<string, Cost>();
    for (const [name, path] of loads) {
      // Whoever compares reads all users again and again, which would be measured, too.
      const asked = { name: `${size.users} users, ${name}`, server, paths: [path], check: false };
      await rounds.run({ ...asked, ms: warmMs });
      const one = await rounds.run({ ...asked, ms });
      const { perSecond, cpu, megabytes, requests } = one;
      costs.set(name, { perSecond, cpu, bytes: (megabytes * 1e6) / requests, hits: shareOf([one], ["l1", "redis"]) });
    }
    const serverMb = (await figureOf(server.url, "process_resident_memory_bytes")) / 2 ** 20;
    const redisMb = Number(await redis.info("used_memory")) / 2 ** 20;
    const label = [size.users, size.channels, size.messages].map((one) => one.toLocaleString("en")).join(" / ");
    return { label, costs, serverMb, redisMb, failures: rounds.failures() };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function reportOf(measured: readonly Step[]): Report {
  const rows = measured.flatMap(({ label, costs }) =>
    [...costs].map(([name, { perSecond, cpu, bytes, hits }]) => [
      label,
      name,
      Math.round(perSecond).toLocaleString("en"),
      `${cpu.toFixed(0)} µs`,
      `${(bytes / 1_024).toFixed(1)} kB`,
      `${(cpu / (bytes / 1_024)).toFixed(1)} µs`,
      `${(hits * 100).toFixed(0)} %`,
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
        head: [
          "users / channels / messages",
          "asked for",
          "requests/s",
          "CPU each",
          "sent",
          "CPU per kB",
          "from Redis",
        ],
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
    healthy: measured.flatMap(({ label, costs }) =>
      [...costs]
        .filter(([, { cpu }]) => cpu < hugeCpu)
        .map(([name, { hits }]): Healthy => ({ phase: `${label}, ${name}`, share: hits, least: 0.7 })),
    ),
    failures: measured.flatMap(({ failures }) => failures),
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
