import { hash } from "@node-rs/bcrypt";
import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { createEnds } from "../test/support/ends.ts";
import { figuresOf } from "../test/support/metrics.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { begun } from "./stage/begun.ts";
import { cpuOf, startPeer, startServer } from "./stage/processes.ts";
import { secret, seed } from "./stage/seed.ts";
import { shipped } from "./stage/shipped.ts";
import type { RunOptions } from "./support/conduct.ts";
import { type Cell, ms as milliseconds, perSecond, type Report } from "./support/report.ts";
import { rounds as inTurns } from "./support/rounds.ts";
import { median, ratioOf } from "./support/sums.ts";

const CALLERS = 4;
const COST = 10;
const USERS = 200;
const password = "of everybody in this bench";

interface Side {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

interface Round {
  perSecond: number;
  p50: number;
  /** Milliseconds of the server's processor for each, most of it bcrypt's. */
  cpu: number;
}

let turn = 0;

/** Somebody logs in who has no session yet; answers the token. */
async function login(url: string): Promise<string> {
  turn += 1;
  const response = await fetch(`${url}/api/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ identifier: `Visitor number ${turn % USERS}`, password }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`a login was answered ${response.status}: ${text}`);
  return (JSON.parse(text) as { token: string }).token;
}

async function round({ url, pid }: Side, ms: number): Promise<Round> {
  const latencies: number[] = [];
  const [before, begun] = [cpuOf(pid), performance.now()];
  const caller = async () => {
    while (performance.now() < begun + ms) {
      const asked = performance.now();
      await login(url);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const perSecond = latencies.length / ((performance.now() - begun) / 1_000);
  const cpu = ((cpuOf(pid) - before) / latencies.length) * 1_000;
  return { perSecond, p50: median(latencies), cpu };
}

/** Of the sessions that were just begun, how many Redis answers for. */
async function shareOf(url: string): Promise<number> {
  const reads = async (store?: string) =>
    (await figuresOf(url)).sum("chat_session_operations_total", { op: "get", ...(store && { store }) });
  const [byRedis, all] = [await reads("redis"), await reads()];
  for (let n = 0; n < 20; n += 1) {
    const headers = { Authorization: `Bearer ${await login(url)}` };
    const { status } = await fetch(`${url}/api/channels`, { headers });
    if (status !== 200) throw new Error(`a fresh token was answered ${status}`);
  }
  return ((await reads("redis")) - byRedis) / ((await reads()) - all);
}

async function measure(mongoUrl: string, rounds: number, ms: number): Promise<Report> {
  const ends = createEnds();
  try {
    const client = ends.add(await mongoose.mongo.MongoClient.connect(mongoUrl));
    await seed(client.db(), { users: USERS, channels: 10, messages: 10_000 });
    await client
      .db()
      .collection("users")
      .updateMany({}, { $set: { password: await hash(password, { cost: COST }) } });
    const redis = ends.add(await startRedisServer());
    // Everybody comes from one address here.
    const shared = { ...shipped(mongoUrl, redis.url), PASSWORD_COST: String(COST), RATE_LIMITS: "off" };
    const on = ends.add(await startServer({ ...shared, SESSION_REDIS_PERCENT: "100" }));
    const off = ends.add(await startServer({ ...shared, DISABLE_REDIS: "true" }));
    const connectMongo = ends.add(await startPeer("../login/bare", { mongoUrl, secret }));
    const other = ends.add(await startRedisServer());
    const connectRedis = ends.add(await startPeer("../login/bare", { mongoUrl, redisUrl: other.url, secret }));
    await begun(on.url);
    const peer = (name: string, { port, pid }: typeof connectMongo) => ({ name, url: `http://127.0.0.1:${port}`, pid });
    const sluice: Side = { name: "sluice", url: on.url, pid: on.pid };
    const without: Side = { name: "sluice, Redis off", url: off.url, pid: off.pid };
    const stock = peer("Express, connect-mongo", connectMongo);
    const stockRedis = peer("Express, connect-redis", connectRedis);
    const sides = [sluice, without, stock, stockRedis];
    const warmMs = ms / 2;
    const results = await inTurns(sides, rounds, (side, turn) => round(side, turn < 0 ? warmMs : ms), { warm: 1 });
    const of = (side: Side, figure: (one: Round) => number) => (results.get(side) ?? []).map(figure);
    const beside = (one: Side, another: Side) =>
      ratioOf(
        of(one, (found) => found.perSecond),
        of(another, (found) => found.perSecond),
      );
    const row = (side: Side): Cell[] => [
      side.name,
      perSecond(median(of(side, (one) => one.perSecond)), 1),
      milliseconds(median(of(side, ({ p50 }) => p50)), 0),
      milliseconds(median(of(side, ({ cpu }) => cpu)), 1),
    ];
    return {
      kind: "bench",
      name: "login",
      what: `logins with a password of bcrypt cost ${COST} beside Express with the stock stores that does the same, ${CALLERS} at a time, ${rounds} rounds in turns`,
      tables: [{ title: "", head: ["side", "logins", "p50", "CPU each"], rows: sides.map(row) }],
      figures: [
        { name: "logins beside the stock store", ...beside(sluice, stock), unit: "×" },
        { name: "logins beside connect-redis", ...beside(sluice, stockRedis), unit: "×" },
        { name: "logins with Redis off beside the stock store", ...beside(without, stock), unit: "×" },
      ],
      healthy: [{ phase: "sessions just begun", share: await shareOf(on.url), least: 0.9 }],
      failures: [],
    };
  } finally {
    await ends.close();
  }
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [2, 700] : [5, 1_000];
  return withMongo((mongoUrl) => measure(mongoUrl, rounds, ms));
}
