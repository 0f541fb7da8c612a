import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { createClient } from "../drills/sessions/client.ts";
import { mint, type Person } from "../drills/sessions/people.ts";
import { between, countReads, shareOfRedis } from "../drills/sessions/reads.ts";
import { withMongo } from "../drills/support/mongo.ts";
import { troubles } from "../drills/support/quiet.ts";
import { messageOf } from "../src/kernel/errors.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { until } from "../test/support/until.ts";
import { cpuOf } from "./stage/processes.ts";
import type { RunOptions } from "./support/conduct.ts";
import { type Cell, count, micro, ms, type Report } from "./support/report.ts";
import { quantile, ratioOf } from "./support/sums.ts";

const PEOPLE = 200;
const PER_SECOND = 50;
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
async function fill(url: string, sessions: number): Promise<void> {
  const client = await mongoose.mongo.MongoClient.connect(url);
  const expires = new Date(Date.now() + 86_400_000);
  const cookie = { originalMaxAge: 86_400_000, expires: expires.toISOString(), httpOnly: true, path: "/" };
  const session = JSON.stringify({ cookie, authenticated: true, note: "x".repeat(800) });
  for (let done = 0; done < sessions; done += 5_000) {
    const some = Array.from({ length: 5_000 }, () => ({
      _id: randomBytes(24).toString("base64url"),
      expires,
      session,
    }));
    await client.db().collection<{ _id: string }>("sessions").insertMany(some);
  }
  await client.close();
}

interface Visits {
  url: string;
  pid: number;
  people: Person[];
  failures: Set<string>;
}

interface Visited {
  /** In the order of the answers, in ms. */
  latencies: number[];
  /** Microseconds of the server's processor per answer. */
  cpu: number;
}

/** Requests at a fixed rate, however long the answers take, until told to stop. */
function visit({ url, pid, people, failures }: Visits): { stop(): Promise<Visited> } {
  const client = createClient();
  const latencies: number[] = [];
  const open = new Set<Promise<void>>();
  let n = 0;
  const [before, begun] = [cpuOf(pid), performance.now()];
  async function ask({ cookie, token }: Pick<Person, "cookie" | "token">): Promise<void> {
    const at = performance.now();
    // What is read through the session: lists are answered by a token that was found good a moment ago.
    const { status } = await client.ask(`${url}/api/channels/general/messages?limit=20`, { cookie, token });
    if (status === 200) latencies.push(performance.now() - at);
    else failures.add(`a visitor was answered by ${status}`);
  }
  const timer = setInterval(() => {
    for (; n < ((performance.now() - begun) * PER_SECOND) / 1_000; n += 1) {
      const one = ask(people[n % people.length] as Person)
        .catch((error: unknown) => void failures.add(`a visitor was not answered: ${messageOf(error)}`))
        .finally(() => open.delete(one));
      open.add(one);
    }
  }, 5);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      client.close();
      return { latencies, cpu: ((cpuOf(pid) - before) / latencies.length) * 1e6 };
    },
  };
}

interface Cost {
  copied: number;
  seconds: number;
  before: Visited;
  during: Visited;
  after: Visited;
  /** Of the reads of sessions in the bucket, those that Redis answered while nothing was copied. */
  share: number;
  failures: string[];
}

/** Copies sessions by the operator's command while a server answers visitors. */
async function backfill(mongoUrl: string, sessions: number, calmMs: number): Promise<Cost> {
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  const redis = await startRedisServer();
  const secrets = { jwt: randomBytes(24).toString("hex"), session: randomBytes(24).toString("hex") };
  const env = { MONGODB_URL: mongoUrl, REDIS_URL: redis.url, SESSION_SECRET: secrets.session };
  const about = { PORT: "0", RATE_LIMITS: "off", PASSWORD_COST: "4", LOG_LEVEL: "warn", SESSION_REDIS_PERCENT: "50" };
  // Ahead of the server, which would look after each of them if an old one made so many at once.
  await fill(mongoUrl, sessions);
  const server = launch("main", [], { ...env, ...about, JWT_SECRET: secrets.jwt, DATA_DIR: dataDir });
  try {
    const describe = () => `the server to be ready: ${server.output()}`;
    const url = await until(() => /ready at (http:\S+)/.exec(server.output())?.[1], { timeoutMs: 60_000, describe });
    const people = await mint(PEOPLE, { mongo: mongoUrl, redis: redis.url }, secrets, troubles);
    const failures = new Set<string>();
    const visits = { url, pid: server.process.pid ?? 0, people, failures };
    const calm = async (ms: number) => {
      const visiting = visit(visits);
      await pause(ms);
      return visiting.stop();
    };
    // As cold as it is, it would make what comes after look fast.
    await calm(calmMs);
    const counted = await countReads([{ url }]);
    const before = await calm(calmMs);
    const share = shareOfRedis(between(counted, await countReads([{ url }])));

    const visiting = visit(visits);
    const begun = performance.now();
    const tool = launch("cli", ["sessions", "backfill", "--json"], env);
    const [code] = await once(tool.process, "exit");
    const seconds = (performance.now() - begun) / 1_000;
    const during = await visiting.stop();
    if (code !== 0) throw new Error(`the backfill ended with ${code}: ${tool.output()}`);
    const after = await calm(calmMs);
    const { copied } = JSON.parse(tool.output().slice(tool.output().indexOf("{"))) as { copied: number };
    return { copied, seconds, before, during, after, share, failures: [...failures] };
  } finally {
    server.process.kill("SIGTERM");
    if (server.process.exitCode === null) await once(server.process, "exit");
    await redis.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Parts of equal length, one after the other. */
function partsOf(list: readonly number[], parts: number): number[][] {
  const end = (part: number) => Math.round((list.length * part) / parts);
  return Array.from({ length: parts }, (_, part) => list.slice(end(part), end(part + 1)));
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [sessions, calmMs, rounds] = short ? [30_000, 6_000, 3] : [100_000, 15_000, 5];
  const cost = await withMongo((url) => backfill(url, sessions, calmMs));
  const { copied, seconds, before, during, after, share, failures } = cost;
  // What was before and what was after stand beside each part of the time between.
  const [early, late] = [before, after].map(({ latencies }) => partsOf(latencies, rounds)) as [number[][], number[][]];
  const calm = early.map((part, n) => [...part, ...(late[n] ?? [])]);
  const worst = (parts: number[][]) => parts.map((part) => quantile(part, 0.99));
  const row = (name: string, { latencies, cpu }: Visited): Cell[] => [
    name,
    count(latencies.length),
    ...[0.5, 0.95, 0.99].map((part) => ms(quantile(latencies, part), 1)),
    micro(cpu, 0),
  ];
  return {
    kind: "bench",
    name: "backfill",
    what: `a server answers ${PER_SECOND} visitors a second before, while, and after \`sluice sessions backfill\` copies ${copied.toLocaleString("en")} sessions beside it, each time in ${rounds} parts`,
    tables: [
      {
        title: "an answer of the server",
        head: ["", "answers", "median", "p95", "p99", "CPU each"],
        rows: [row("before", before), row("during", during), row("after", after)],
      },
    ],
    figures: [
      {
        name: "seconds per 100,000 sessions",
        value: (seconds * 100_000) / copied,
        unit: " s",
        target: 60,
        atMost: true,
      },
      {
        name: "p99 during / calm",
        ...ratioOf(worst(partsOf(during.latencies, rounds)), worst(calm)),
        unit: "×",
        target: 2,
        atMost: true,
      },
    ],
    healthy: [{ phase: "before", share, least: 0.95 }],
    failures,
  };
}
