import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { createClient } from "../drills/sessions/client.ts";
import { mint, type Person } from "../drills/sessions/people.ts";
import { startEmbeddedMongo } from "../src/embedded/mongo.ts";
import { defaultCacheDir } from "../src/embedded/options.ts";
import type { Log } from "../src/kernel/log.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { until } from "../test/support/until.ts";

const SESSIONS = 100_000;
const PEOPLE = 200;
const PER_SECOND = 50;
const CALM_SECONDS = 20;
export const targets = { seconds: 60, p99: 2 };
const quiet: Log = { debug() {}, info() {}, warn: console.warn, error: console.error };
// This file lies in dist/measured/bench, the product in dist/src.
const program = (name: string) => resolve(import.meta.dirname, `../../src/${name}.js`);

interface Running {
  readonly process: ChildProcess;
  output(): string;
}

function launch(name: string, args: string[], env: Record<string, string>): Running {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [program(name), ...args], {
    env: { PATH, HOME, NODE_ENV: "test", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  return { process: child, output: () => text };
}

/** As a stock connect-mongo has left them. */
async function fill(url: string): Promise<void> {
  const client = await mongoose.mongo.MongoClient.connect(url);
  const expires = new Date(Date.now() + 86_400_000);
  const cookie = { originalMaxAge: 86_400_000, expires: expires.toISOString(), httpOnly: true, path: "/" };
  const session = JSON.stringify({ cookie, authenticated: true, note: "x".repeat(800) });
  for (let done = 0; done < SESSIONS; done += 5_000) {
    const some = Array.from({ length: 5_000 }, () => ({
      _id: randomBytes(24).toString("base64url"),
      expires,
      session,
    }));
    await client.db().collection<{ _id: string }>("sessions").insertMany(some);
  }
  await client.close();
}

const quantile = (list: number[], part: number) => [...list].sort((a, b) => a - b)[Math.floor(list.length * part)] ?? 0;

/** Requests at a fixed rate, however long the answers take, until told to stop; answers their latencies in ms. */
function visit(url: string, people: Person[]): { stop(): Promise<number[]> } {
  const client = createClient();
  const latencies: number[] = [];
  const open = new Set<Promise<void>>();
  let n = 0;
  const begun = performance.now();
  const timer = setInterval(() => {
    for (; n < ((performance.now() - begun) * PER_SECOND) / 1_000; n += 1) {
      const { cookie, token } = people[n % people.length] ?? { cookie: "", token: "" };
      const at = performance.now();
      const one = client.ask(`${url}/api/channels`, { cookie, token }).then(({ status }) => {
        if (status !== 200) throw new Error(`a visitor was answered by ${status}`);
        latencies.push(performance.now() - at);
        open.delete(one);
      });
      open.add(one);
    }
  }, 5);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      client.close();
      return latencies;
    },
  };
}

export interface Cost {
  sessions: number;
  seconds: number;
  calm: number[];
  busy: number[];
}

/** Copies `SESSIONS` sessions by the operator's command while a server answers visitors. */
export async function backfill(): Promise<Cost> {
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  const options = {
    cacheDir: defaultCacheDir(process.env.XDG_CACHE_HOME, homedir()),
    searchPath: process.env.PATH ?? "",
  };
  const systemBinary = process.env.MONGOMS_SYSTEM_BINARY ?? "";
  const mongo = await startEmbeddedMongo({
    ...{ dataDir, ...options, systemBinary, downloadTimeoutMs: 60_000, log: quiet, say: () => {} },
  });
  const redis = await startRedisServer();
  const secrets = { jwt: randomBytes(24).toString("hex"), session: randomBytes(24).toString("hex") };
  const env = { MONGODB_URL: mongo.url, REDIS_URL: redis.url, SESSION_SECRET: secrets.session };
  const about = { PORT: "0", RATE_LIMITS: "off", PASSWORD_COST: "4", LOG_LEVEL: "warn", SESSION_REDIS_PERCENT: "50" };
  // Ahead of the server, which would look after each of them if an old one made so many at once.
  await fill(mongo.url);
  const server = launch("main", [], { ...env, ...about, JWT_SECRET: secrets.jwt, DATA_DIR: dataDir });
  try {
    const describe = () => `the server to be ready: ${server.output()}`;
    const url = await until(() => /ready at (http:\S+)/.exec(server.output())?.[1], { timeoutMs: 60_000, describe });
    const people = await mint(PEOPLE, { mongo: mongo.url, redis: redis.url }, secrets, quiet);
    const warm = visit(url, people);
    await pause(5_000);
    await warm.stop();
    const before = visit(url, people);
    await pause(CALM_SECONDS * 1_000);
    const calm = await before.stop();

    const during = visit(url, people);
    const begun = performance.now();
    const tool = launch("cli", ["sessions", "backfill", "--json"], env);
    const [code] = await once(tool.process, "exit");
    const seconds = (performance.now() - begun) / 1_000;
    const busy = await during.stop();
    if (code !== 0) throw new Error(`the backfill ended with ${code}: ${tool.output()}`);
    const { copied } = JSON.parse(tool.output().slice(tool.output().indexOf("{"))) as { copied: number };
    return { sessions: copied, seconds, calm, busy };
  } finally {
    server.process.kill("SIGTERM");
    if (server.process.exitCode === null) await once(server.process, "exit");
    await redis.close();
    await mongo.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

export async function run(): Promise<void> {
  const { sessions, seconds, calm, busy } = await backfill();
  const figures = (list: number[]) =>
    [0.5, 0.95, 0.99].map((part) => `${quantile(list, part).toFixed(1)} ms`).join(", ");
  const ratio = quantile(busy, 0.99) / quantile(calm, 0.99);
  const verdict = (reached: boolean) => (reached ? "reached" : "MISSED");
  console.log(`a server answers ${PER_SECOND} visitors a second while \`sluice sessions backfill\` runs beside it`);
  console.log(
    `${sessions.toLocaleString("en")} sessions copied in ${seconds.toFixed(1)} s, target ${targets.seconds} s ${verdict(seconds <= targets.seconds)}`,
  );
  console.log(`median, p95, p99 before: ${figures(calm)}`);
  console.log(`median, p95, p99 during: ${figures(busy)}`);
  console.log(`p99 times ${ratio.toFixed(2)}, target ${targets.p99} ${verdict(ratio <= targets.p99)}`);
}
