import { RedisStore } from "connect-redis";
import type { SessionData, Store } from "express-session";
import mongoose from "mongoose";
import { createClient } from "redis";
import { withMongo } from "../drills/support/mongo.ts";
import { loadConfig } from "../src/config/load.ts";
import type { Log } from "../src/kernel/log.ts";
import { createRedisDoor } from "../src/redis/door.ts";
import { createDial } from "../src/sessions/dial.ts";
import { rolloutStore } from "../src/sessions/store.ts";
import { createMongoStore } from "../src/sessions/stores/mongo.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { callsOf, sessionOf } from "../test/support/store-calls.ts";
import { until } from "../test/support/until.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";
import { ratioOf } from "./support/sums.ts";

const CONCURRENCY = 50;
const SESSIONS = 1_000;
const quiet: Log = { debug() {}, info() {}, warn: console.warn, error: console.error };

type Call = (sid: string) => Promise<unknown>;

/** Calls per second of `CONCURRENCY` callers that each make the next call when the last one is answered. */
async function measure(sids: string[], ms: number, call: Call): Promise<number> {
  let done = 0;
  const begun = performance.now();
  const caller = async (first: number) => {
    for (let at = first; performance.now() < begun + ms; at += CONCURRENCY) {
      await call(sids[at % sids.length] ?? "");
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, (_, first) => caller(first)));
  return (done / (performance.now() - begun)) * 1_000;
}

type Duel = ReturnType<typeof ratioOf>;

/** A B, B A, A B, … so that neither always comes first. */
async function duel(sids: string[], rounds: number, ms: number, stock: Call, ours: Call): Promise<Duel> {
  const figures: { stock: number; ours: number }[] = [];
  for (const call of [stock, ours]) await measure(sids, ms, call);
  for (let round = 0; round < rounds; round += 1) {
    const first = round % 2 === 0 ? stock : ours;
    const a = await measure(sids, ms, first);
    const b = await measure(sids, ms, first === stock ? ours : stock);
    figures.push(first === stock ? { stock: a, ours: b } : { stock: b, ours: a });
  }
  return ratioOf(
    figures.map((one) => one.ours),
    figures.map((one) => one.stock),
  );
}

/** What a chat keeps of a user, in about 1 kB of JSON. */
const sessionOfOneKilobyte = (): SessionData =>
  sessionOf(86_400_000, {
    authenticated: true,
    userId: "0123456789abcdef01234567",
    nickname: "Ann of Green Gables",
    role: "member",
    csrfToken: "f".repeat(64),
    handle: "h".repeat(43),
    loginTime: new Date().toISOString(),
    userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    room: "general",
    preferences: { theme: "dark", language: "en", fontSize: 14, notifications: { sound: true, mentions: true } },
    unread: Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`channel-${n}`, n])),
    recent: ["general", "random", "voice-chat", "help"],
    draft: "Dear all, ".repeat(10),
  });

const reading =
  (store: Store): Call =>
  (sid) =>
    new Promise((resolve, reject) =>
      store.get(sid, (error, session) => (error || !session ? reject(error ?? new Error("lost")) : resolve(session))),
    );

async function sessionsOf(store: Store, sids: string[]): Promise<Map<string, SessionData>> {
  const calls = callsOf(store);
  const sessions = new Map<string, SessionData>();
  for (const sid of sids) sessions.set(sid, (await calls.get(sid)) as SessionData);
  return sessions;
}

/** Saves what was read before, as a request does. */
async function saving(store: Store, sids: string[]): Promise<Call> {
  const sessions = await sessionsOf(store, sids);
  let n = 0;
  return (sid) => {
    const session = sessions.get(sid) as SessionData & { n?: number };
    n += 1;
    session.n = n;
    return new Promise<void>((resolve, reject) =>
      store.set(sid, session, (error) => (error ? reject(error) : resolve())),
    );
  };
}

/** As express-session does at the end of every request that changed nothing. */
async function touching(store: Store, sids: string[]): Promise<Call> {
  const calls = callsOf(store);
  const sessions = await sessionsOf(store, sids);
  return async (sid) => {
    const session = sessions.get(sid) as SessionData;
    session.cookie.expires = new Date(Date.now() + 86_400_000);
    await calls.touch(sid, session);
  };
}

interface Measured {
  figures: Record<string, Duel>;
  /** Of the reads at 100 %. */
  share: number;
}

/** Our store beside the stock ones: same servers, same process, in turns. */
async function measureStores(mongoUrl: string, rounds: number, ms: number): Promise<Measured> {
  const redis = await startRedisServer();
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const bare = createClient({ url: redis.url, commandOptions: { timeout: 0 }, maintNotifications: "disabled" });
  await bare.connect();
  const door = createRedisDoor({ config: loadConfig({ REDIS_URL: redis.url }), log: quiet });
  const dial = createDial({ mode: "serve", percent: 100 });
  const dbName = client.db().databaseName;
  const ours = rolloutStore({ mongo: { client, dbName }, redis: door, settings: dial, log: quiet });
  const connectMongo = createMongoStore({ client, dbName, collection: "stock", ttlSeconds: 86_400 });
  const connectRedis = new RedisStore({ client: bare });
  // Somebody counts, as in a server that is watched.
  const counts = { redis: 0, mongo: 0 };
  ours.events.on("operation", ({ store }) => {
    counts[store] += 1;
  });
  door.events.on("answered", () => {});
  door.start();
  try {
    const sids = Array.from({ length: SESSIONS }, (_, n) => `bench-${n}-${"x".repeat(20)}`);
    for (const store of [ours, connectMongo, connectRedis])
      for (const sid of sids) await callsOf(store).set(sid, sessionOfOneKilobyte());
    await until(() => ours.stats().readingFrom === "redis", { describe: () => ours.stats() });
    for (const sid of sids) await callsOf(ours).get(sid);

    const figures: Record<string, Duel> = {};
    const before = { ...counts };
    const beside = async (stock: Store, load: (store: Store, sids: string[]) => Call | Promise<Call>) =>
      duel(sids, rounds, ms, await load(stock, sids), await load(ours, sids));
    figures["get at 100 % / connect-redis"] = await beside(connectRedis, reading);
    const [byRedis, byMongo] = [counts.redis - before.redis, counts.mongo - before.mongo];
    figures["set at 100 % / connect-mongo"] = await beside(connectMongo, saving);
    figures["touch at 100 % / connect-redis"] = await beside(connectRedis, touching);
    figures["touch at 100 % / connect-mongo"] = await beside(connectMongo, touching);
    dial.set({ percent: 0 });
    figures["get at 0 % / connect-mongo"] = await beside(connectMongo, reading);
    figures["touch at 0 % / connect-mongo"] = await beside(connectMongo, touching);
    return { figures, share: byRedis / (byRedis + byMongo) };
  } finally {
    await ours.close();
    await door.close();
    bare.destroy();
    await client.close();
    await redis.close();
  }
}

/** What the store may cost, as a share of what the stock one does. */
const targets: Record<string, number> = {
  "get at 100 % / connect-redis": 0.9,
  "set at 100 % / connect-mongo": 0.7,
  "get at 0 % / connect-mongo": 0.95,
};

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [3, 700] : [7, 1_000];
  const { figures, share } = await withMongo((url) => measureStores(url, rounds, ms));
  const perSecond = (figure: number) => Math.round(figure).toLocaleString("en");
  return {
    kind: "bench",
    name: "sessions",
    what: `the session store beside the stock ones, ${SESSIONS} sessions of 1 kB, ${CONCURRENCY} callers, ${rounds} rounds in turns`,
    tables: [
      {
        title: "calls per second",
        head: ["call", "stock store", "ours"],
        rows: Object.entries(figures).map(([name, { ours, other }]) => [name, perSecond(other), perSecond(ours)]),
      },
    ],
    figures: Object.entries(figures).map(([name, duel]) => {
      const target = targets[name];
      return { name, ...duel, unit: "×", ...(target && { target }) };
    }),
    healthy: [{ phase: "reads at 100 %", share, least: 0.99 }],
    failures: [],
  };
}
