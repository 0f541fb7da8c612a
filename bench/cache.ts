import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import mongoose from "mongoose";
import { startEmbeddedMongo } from "../src/embedded/mongo.ts";
import { defaultCacheDir } from "../src/embedded/options.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { histories } from "./cache/histories.ts";
import type { Order, Result } from "./cache/load.ts";
import { cpuOf, createLoader, type Server, startBare, startServer } from "./cache/processes.ts";
import { secret, seed, sizes, type Visitor } from "./cache/seed.ts";
import { beginWrites } from "./cache/writes.ts";

const CONNECTIONS = 50;
const quiet = { debug() {}, info() {}, warn: console.warn, error: console.error };

interface Side extends Server {
  name: string;
}

interface Round extends Result {
  /** Microseconds of the server's processor per request. */
  cpu: number;
}

const median = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

async function startSide(name: string, mongoUrl: string, env: Record<string, string>): Promise<Side> {
  const redis = await startRedisServer();
  // Beside what is compared, all that is set is where the databases are and what signs; the rest is as shipped.
  const where = { NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redis.url, LOG_LEVEL: "error" };
  const server = await startServer({ ...where, JWT_SECRET: secret, SESSION_SECRET: secret, ...env });
  return {
    ...server,
    name,
    async close() {
      await server.close();
      await redis.close();
    },
  };
}

function row(name: string, rounds: Round[], base?: number): void {
  const figures = rounds.map(({ perSecond }) => perSecond);
  const per = Math.round(median(figures)).toLocaleString("en").padStart(8);
  const spread = `${Math.round(Math.min(...figures))}…${Math.round(Math.max(...figures))}`.padStart(14);
  const ratio = base ? `${(median(figures) / base).toFixed(1)}×`.padStart(8) : "".padStart(8);
  const ms = (part: "p50" | "p99") =>
    median(rounds.map((one) => one[part]))
      .toFixed(2)
      .padStart(8);
  const cpu = median(rounds.map((one) => one.cpu))
    .toFixed(0)
    .padStart(7);
  console.log(`${name.padEnd(26)}${per}${spread}${ratio}${ms("p50")}${ms("p99")}${cpu}`);
}

function verdict(name: string, figure: number, target: number, unit = "×"): void {
  const shown = figure.toFixed(figure < 10 ? 2 : 1);
  console.log(
    `  ${name.padEnd(52)} ${shown}${unit}, target ${target}${unit}: ${figure >= target ? "reached" : "MISSED"}`,
  );
}

const heading = `${"".padEnd(26)}${"req/s".padStart(8)}${"min…max".padStart(14)}${"× off".padStart(8)}${"p50 ms".padStart(8)}${"p99 ms".padStart(8)}${"µs CPU".padStart(7)}`;

/** Each round as it ends, for whoever watches. */
const watched = process.env.BENCH_WATCH !== undefined;

export interface CacheBenchOptions {
  rounds?: number;
  ms?: number;
}

/** The shipped server with its default configuration, with caches and without, side by side. */
export async function cacheBench({ rounds = 3, ms = 1_500 }: CacheBenchOptions = {}): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  const mongo = await startEmbeddedMongo({
    dataDir,
    cacheDir: defaultCacheDir(process.env.XDG_CACHE_HOME, homedir()),
    searchPath: process.env.PATH ?? "",
    systemBinary: process.env.MONGOMS_SYSTEM_BINARY ?? "",
    downloadTimeoutMs: 60_000,
    log: quiet,
    say: () => {},
  });
  const client = await mongoose.mongo.MongoClient.connect(mongo.url);
  const db = client.db();
  const ends: (() => unknown)[] = [];
  try {
    const visitors = await seed(db);
    console.log(
      `${sizes.users} users, ${sizes.channels} channels, ${sizes.messages} messages; ${CONNECTIONS} connections`,
    );
    const sides: Side[] = [];
    for (const [name, env] of [
      ["caches off", { CACHES: "off" }],
      ["Redis only (L1 off)", { CACHE_L1_MB: "0" }],
      ["L1", {}],
    ] as const) {
      const side = await startSide(name, mongo.url, env);
      sides.push(side);
      ends.push(() => side.close());
    }
    const loader = createLoader();
    ends.push(() => loader.close());
    await measureLists({ sides, loader, visitors, mongoUrl: mongo.url, db, rounds, ms, ends });
    await measureMix({ sides, loader, visitors, mongoUrl: mongo.url, db, ms: ms * 2 });
    await histories(
      sides.filter(({ name }) => name !== "Redis only (L1 off)"),
      visitors,
    );
  } finally {
    for (const end of ends.reverse()) await end();
    await client.close();
    await mongo.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

interface Measure {
  sides: Side[];
  loader: ReturnType<typeof createLoader>;
  visitors: Visitor[];
  mongoUrl: string;
  db: mongoose.mongo.Db;
  ms: number;
}

const packed = { "Accept-Encoding": "gzip, deflate, br" };

async function bodyOf(port: number, path: string, token: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Authorization: `Bearer ${token}` } });
  const body = Buffer.from(await response.arrayBuffer());
  return brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }).toString("base64");
}

async function measureLists(options: Measure & { rounds: number; ends: (() => unknown)[] }): Promise<void> {
  const { sides, loader, visitors, mongoUrl, db, rounds, ms, ends } = options;
  const tokens = visitors.map(({ token }) => token);
  const paths = ["/api/users", "/api/channels"];
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
        const writes = beginWrites(side.url, db, visitors);
        const begun = performance.now();
        keep(side.name, await round(side.name, side.port, side.pid, { paths: [path] }));
        if (side.name === "L1")
          keep("304", await round("304", side.port, side.pid, { paths: [path], conditional: true }));
        written += writes.count;
        seconds += (performance.now() - begun) / 1_000;
        await writes.close();
      }
      keep("bare Express", await round("bare Express", bare.port, bare.pid, { paths: [path], check: false }));
    }

  const of = (path: string, name: string) => results.get(`${path} ${name}`) ?? [];
  const speed = (path: string, name: string) => median(of(path, name).map(({ perSecond }) => perSecond));
  for (const path of paths) {
    console.log(`\nGET ${path}, ${Buffer.byteLength(bodies[path] ?? "", "base64")} bytes packed\n${heading}`);
    const off = speed(path, "caches off");
    for (const name of ["caches off", "Redis only (L1 off)", "L1", "304", "bare Express"])
      row(name, of(path, name), off);
    const sources = of(path, "L1").map((one) => one.sources.l1 ?? 0);
    const all = of(path, "L1").map((one) => one.requests);
    console.log(`  of L1's answers from memory: ${((100 * median(sources)) / median(all)).toFixed(1)} %`);
    const [near, far] = path === "/api/users" ? [30, 10] : [20, 5];
    verdict(`${path} from L1`, speed(path, "L1") / off, near);
    verdict(`${path} with L1 off`, speed(path, "Redis only (L1 off)") / off, far);
    verdict(`${path} from L1 beside bare Express`, speed(path, "L1") / speed(path, "bare Express"), 1.5);
    verdict(`${path} 304 beside L1`, speed(path, "304") / speed(path, "L1"), 1);
  }
  console.log(
    `\n${(written / seconds).toFixed(1)} writes a second meanwhile; ${checked} answers compared with MongoDB, ${wrong.length} wrong`,
  );
  for (const line of wrong.slice(0, 5)) console.log(`  ${line}`);
}

/** Reads that came to MongoDB, whoever asked. */
async function readsOf(db: mongoose.mongo.Db): Promise<number> {
  const { opcounters } = await db.admin().command({ serverStatus: 1 });
  return opcounters.query;
}

/** What a chat is asked over the day: lists, and histories of channels. */
async function measureMix({ sides, loader, visitors, mongoUrl, db, ms }: Measure): Promise<void> {
  const tokens = visitors.map(({ token }) => token);
  const rooms = Array.from({ length: 20 }, (_, n) => `/api/channels/channel-${n * 2}/messages`);
  const textRooms = rooms.filter((_, n) => (n * 2) % 7 !== 6);
  const paths = [...Array(8).fill("/api/users"), ...Array(8).fill("/api/channels"), ...textRooms.slice(0, 4)];
  const reads = new Map<string, number>();
  console.log(`\nmixed: 40 % users, 40 % channels, 20 % histories\n${heading}`);
  for (const side of sides.filter(({ name }) => name !== "Redis only (L1 off)")) {
    const { pid } = side;
    const writes = beginWrites(side.url, db, visitors);
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
    await loader.run({ ...order, ms: ms / 3 });
    const [before, cpu] = [await readsOf(db), cpuOf(pid)];
    const result = await loader.run(order);
    reads.set(side.name, ((await readsOf(db)) - before) / result.requests);
    await writes.close();
    row(side.name, [{ ...result, cpu: ((cpuOf(pid) - cpu) / result.requests) * 1e6 }]);
    if (side.name !== "L1") continue;
    const { l1 = 0, redis = 0 } = result.sources;
    verdict("hits of all requests", (100 * (l1 + redis)) / result.requests, 95, " %");
  }
  const [off = 0, on = 0] = [reads.get("caches off"), reads.get("L1")];
  console.log(`  reads of MongoDB per request: ${off.toFixed(2)} without, ${on.toFixed(3)} with`);
  verdict("fewer reads of MongoDB", 100 * (1 - on / off), 95, " %");
}

export async function run(): Promise<void> {
  await cacheBench();
}
