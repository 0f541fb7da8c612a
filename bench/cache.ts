import { brotliCompressSync, constants } from "node:zlib";
import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { histories } from "./cache/histories.ts";
import type { Order, Result } from "./cache/load.ts";
import { cpuOf, createLoader, type Server, startBare, startServer } from "./cache/processes.ts";
import { secret, seed, sizes, type Visitor } from "./cache/seed.ts";
import { beginWrites } from "./cache/writes.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Figure, Healthy, Report, Table } from "./support/report.ts";
import { median, ratioOf } from "./support/sums.ts";

const CONNECTIONS = 50;

interface Side extends Server {
  name: string;
  /** What everybody may ask in a quarter of an hour is asked in a minute here, so that begins anew. */
  forgive(): Promise<void>;
}

interface Round extends Result {
  /** Microseconds of the server's processor per request. */
  cpu: number;
}

/** What has been found out so far. */
interface Findings {
  tables: Table[];
  figures: Figure[];
  healthy: Healthy[];
  failures: string[];
}

async function startSide(name: string, mongoUrl: string, env: Record<string, string>): Promise<Side> {
  const redis = await startRedisServer();
  // Beside what is compared, all that is set is where the databases are and what signs; the rest is as shipped.
  const where = { NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redis.url, LOG_LEVEL: "error" };
  const server = await startServer({ ...where, JWT_SECRET: secret, SESSION_SECRET: secret, ...env });
  return {
    ...server,
    name,
    async forgive() {
      const counts = (await redis.ask("KEYS", "cache:limit:api:*")) as string[];
      if (counts.length > 0) await redis.ask("DEL", ...counts);
    },
    async close() {
      await server.close();
      await redis.close();
    },
  };
}

const head = ["side", "requests/s", "min … max", "× off", "p50", "p99", "CPU each"];

function rowOf(name: string, rounds: Round[], base?: number): string[] {
  const figures = rounds.map(({ perSecond }) => perSecond);
  const middle = (of: (round: Round) => number) => median(rounds.map(of));
  return [
    name,
    Math.round(median(figures)).toLocaleString("en"),
    `${Math.round(Math.min(...figures))} … ${Math.round(Math.max(...figures))}`,
    base ? `${(median(figures) / base).toFixed(1)}×` : "",
    `${middle(({ p50 }) => p50).toFixed(2)} ms`,
    `${middle(({ p99 }) => p99).toFixed(2)} ms`,
    `${middle(({ cpu }) => cpu).toFixed(0)} µs`,
  ];
}

/** Each round as it ends, for whoever watches. */
const watched = process.env.BENCH_WATCH !== undefined;

/** The shipped server with its default configuration, with caches and without, side by side. */
async function cacheBench(mongoUrl: string, rounds: number, ms: number): Promise<Findings> {
  const found: Findings = { tables: [], figures: [], healthy: [], failures: [] };
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const db = client.db();
  const ends: (() => unknown)[] = [];
  try {
    const visitors = await seed(db);
    const sides: Side[] = [];
    for (const [name, env] of [
      ["caches off", { CACHES: "off" }],
      ["Redis only (L1 off)", { CACHE_L1_MB: "0" }],
      ["L1", {}],
    ] as const) {
      const side = await startSide(name, mongoUrl, env);
      sides.push(side);
      ends.push(() => side.close());
    }
    const loader = createLoader();
    ends.push(() => loader.close());
    await measureLists({ sides, loader, visitors, mongoUrl, db, found, rounds, ms, ends });
    await measureMix({ sides, loader, visitors, mongoUrl, db, found, ms: ms * 2 });
    const { table, figures } = await histories(
      sides.filter(({ name }) => name !== "Redis only (L1 off)"),
      visitors,
    );
    found.tables.push(table);
    found.figures.push(...figures);
    return found;
  } finally {
    for (const end of ends.reverse()) await end();
    await client.close();
  }
}

/** How many times more of each a second: from memory, from Redis alone, and from memory beside bare Express. */
const targets: Record<string, { near: number; far?: number; beside?: number }> = {
  "/api/users": { near: 30, far: 10, beside: 1.5 },
  "/api/channels": { near: 20, far: 5, beside: 1.5 },
  // The one that is written to.
  "/api/channels/channel-0/messages": { near: 20 },
};

interface Measure {
  sides: Side[];
  loader: ReturnType<typeof createLoader>;
  visitors: Visitor[];
  mongoUrl: string;
  db: mongoose.mongo.Db;
  found: Findings;
  ms: number;
}

const packed = { "Accept-Encoding": "gzip, deflate, br" };

async function bodyOf(port: number, path: string, token: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Authorization: `Bearer ${token}` } });
  const body = Buffer.from(await response.arrayBuffer());
  return brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }).toString("base64");
}

async function measureLists(options: Measure & { rounds: number; ends: (() => unknown)[] }): Promise<void> {
  const { sides, loader, visitors, mongoUrl, db, found, rounds, ms, ends } = options;
  const tokens = visitors.map(({ token }) => token);
  const paths = Object.keys(targets);
  const bodies: Record<string, string> = {};
  for (const path of paths) bodies[path] = await bodyOf(sides[0]?.port ?? 0, path, tokens[0] ?? "");
  const bare = await startBare(bodies);
  ends.push(() => bare.close());

  const results = new Map<string, Round[]>();
  let wrong: string[] = [];
  let checked = 0;
  let written = 0;
  let seconds = 0;

  async function round(name: string, port: number, pid: number, more: Partial<Order> & { paths: string[] }) {
    const before = cpuOf(pid);
    const order = { port, mongoUrl, tokens, connections: CONNECTIONS, ms, headers: packed, check: true, ...more };
    const result = await loader.run(order);
    const cpu = ((cpuOf(pid) - before) / result.requests) * 1e6;
    if (watched)
      console.error(
        name,
        more.paths.join(),
        result.perSecond.toFixed(0),
        JSON.stringify(result.sources),
        cpu.toFixed(0),
      );
    checked += result.checked;
    wrong = [...wrong, ...result.wrong];
    const bad = Object.entries(result.statuses).filter(([status]) => !["200", "304"].includes(status));
    if (bad.length > 0) wrong.push(`${name}: ${JSON.stringify(bad)}`);
    return { ...result, cpu };
  }

  for (let at = -1; at < rounds; at += 1)
    for (const path of paths) {
      const keep = (name: string, one: Round) => {
        const key = `${path} ${name}`;
        if (at >= 0) results.set(key, [...(results.get(key) ?? []), one]);
      };
      for (const side of at % 2 === 0 ? sides : [...sides].reverse()) {
        await side.forgive();
        const writes = beginWrites(side.url, db, visitors);
        await writes.ready;
        // Whoever has not been seen for long is looked up again, which on any day is not all of them at once.
        if (side.name !== "caches off") await round("warm-up", side.port, side.pid, { paths: [path] });
        const [begun, before] = [performance.now(), writes.count];
        keep(side.name, await round(side.name, side.port, side.pid, { paths: [path] }));
        if (side.name === "L1") {
          keep("304", await round("304", side.port, side.pid, { paths: [path], conditional: true }));
          // With the same going on beside it.
          keep("bare Express", await round("bare Express", bare.port, bare.pid, { paths: [path], check: false }));
        }
        written += writes.count - before;
        seconds += (performance.now() - begun) / 1_000;
        await writes.close();
      }
    }

  const of = (path: string, name: string) => results.get(`${path} ${name}`) ?? [];
  const speeds = (path: string, name: string) => of(path, name).map(({ perSecond }) => perSecond);
  for (const path of paths) {
    const bytes = Buffer.byteLength(bodies[path] ?? "", "base64");
    const off = median(speeds(path, "caches off"));
    const names = ["caches off", "Redis only (L1 off)", "L1", "304", "bare Express"];
    const rows = names.map((name) => rowOf(name, of(path, name), off));
    found.tables.push({ title: `GET ${path}, ${bytes} bytes packed`, head, rows });
    const { near, far, beside } = targets[path] ?? {};
    const figure = (name: string, one: string, other: string, target?: number) =>
      found.figures.push({
        name,
        ...ratioOf(speeds(path, one), speeds(path, other)),
        unit: "×",
        ...(target && { target }),
      });
    figure(`${path} from L1`, "L1", "caches off", near);
    figure(`${path} with L1 off`, "Redis only (L1 off)", "caches off", far);
    figure(`${path} from L1 beside bare Express`, "L1", "bare Express", beside);
    figure(`${path} 304 beside L1`, "304", "L1", 1);
    for (const [name, sources] of [
      ["L1", ["l1", "redis"]],
      ["Redis only (L1 off)", ["redis"]],
    ] as const) {
      const all = of(path, name);
      const answered = all.flatMap((one) => sources.map((source) => one.sources[source] ?? 0));
      const share = answered.reduce((sum, one) => sum + one, 0) / all.reduce((sum, one) => sum + one.requests, 0);
      found.healthy.push({ phase: `${path}, ${name}`, share, least: 0.9 });
    }
  }
  const rate = { name: "writes a second meanwhile", value: written / seconds, unit: "", target: 5 };
  const errors = { name: "wrong answers", value: wrong.length, unit: "", target: 0, atMost: true };
  found.figures.push(rate, { name: "answers compared with MongoDB", value: checked, unit: "", target: 1 }, errors);
  found.failures.push(...wrong.slice(0, 5));
}

/** Reads that came to MongoDB, whoever asked. */
async function readsOf(db: mongoose.mongo.Db): Promise<number> {
  const { opcounters } = await db.admin().command({ serverStatus: 1 });
  return opcounters.query;
}

/** What a chat is asked over the day: lists, and histories of channels. */
async function measureMix({ sides, loader, visitors, mongoUrl, db, found, ms }: Measure): Promise<void> {
  const tokens = visitors.map(({ token }) => token);
  const rooms = Array.from({ length: 20 }, (_, n) => `/api/channels/channel-${n * 2}/messages`);
  const textRooms = rooms.filter((_, n) => (n * 2) % 7 !== 6);
  const paths = [...Array(8).fill("/api/users"), ...Array(8).fill("/api/channels"), ...textRooms.slice(0, 4)];
  const reads = new Map<string, number>();
  const speeds = new Map<string, number>();
  const rows: string[][] = [];
  for (const side of sides.filter(({ name }) => name !== "Redis only (L1 off)")) {
    const { pid } = side;
    await side.forgive();
    const writes = beginWrites(side.url, db, visitors);
    await writes.ready;
    const order = {
      port: side.port,
      mongoUrl,
      tokens,
      paths,
      connections: CONNECTIONS,
      ms,
      headers: packed,
      check: false,
    };
    // Until everybody has been let in once, as on any day.
    await loader.run(order);
    const [before, cpu] = [await readsOf(db), cpuOf(pid)];
    const result = await loader.run(order);
    reads.set(side.name, ((await readsOf(db)) - before) / result.requests);
    if (watched) console.error(side.name, "mixed", JSON.stringify(result.sources));
    await writes.close();
    rows.push(rowOf(side.name, [{ ...result, cpu: ((cpuOf(pid) - cpu) / result.requests) * 1e6 }]));
    speeds.set(side.name, result.perSecond);
    if (side.name !== "L1") continue;
    const { l1 = 0, redis = 0 } = result.sources;
    found.figures.push({
      name: "hits of all requests",
      value: (100 * (l1 + redis)) / result.requests,
      unit: " %",
      target: 95,
    });
  }
  found.tables.push({ title: "mixed: 40 % users, 40 % channels, 20 % histories", head, rows });
  const [other = 0, ours = 0] = [speeds.get("caches off"), speeds.get("L1")];
  const name = "mixed lists and histories, requests per second";
  found.figures.push({ name, value: ours / other, ours, other, unit: "×", target: 3 });
  const [off = 0, on = 0] = [reads.get("caches off"), reads.get("L1")];
  const fewer = { value: 100 * (1 - on / off), ours: on, other: off, unit: " %", target: 95 };
  found.figures.push({ name: "fewer reads of MongoDB, lists and histories", ...fewer });
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [2, 900] : [3, 1_500];
  const found = await withMongo((mongoUrl) => cacheBench(mongoUrl, rounds, ms));
  const { users, channels, messages } = sizes;
  const what = `the shipped server with caches and without, ${users} users, ${channels} channels, ${messages.toLocaleString("en")} messages, ${CONNECTIONS} connections, ${rounds} rounds in turns`;
  return { kind: "bench", name: "cache", what, ...found };
}
