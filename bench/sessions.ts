import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { RedisStore } from "connect-redis";
import type { SessionData, Store } from "express-session";
import mongoose from "mongoose";
import { createClient } from "redis";
import { loadConfig } from "../src/config/load.ts";
import { startEmbeddedMongo } from "../src/embedded/mongo.ts";
import { defaultCacheDir } from "../src/embedded/options.ts";
import type { Log } from "../src/kernel/log.ts";
import { createRedisDoor } from "../src/redis/door.ts";
import { createDial } from "../src/sessions/dial.ts";
import { rolloutStore } from "../src/sessions/store.ts";
import { createMongoStore } from "../src/sessions/stores/mongo.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { callsOf, sessionOf } from "../test/support/store-calls.ts";
import { until } from "../test/support/until.ts";

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

const median = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

export interface Duel {
  stock: number;
  ours: number;
  /** Median of the rounds' own ratios: a busy machine slows both sides of one round. */
  ratio: number;
}

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
  return {
    stock: median(figures.map((one) => one.stock)),
    ours: median(figures.map((one) => one.ours)),
    ratio: median(figures.map((one) => one.ours / one.stock)),
  };
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

/** Saves what was read before, as a request does. */
async function saving(store: Store, sids: string[]): Promise<Call> {
  const calls = callsOf(store);
  const sessions = new Map<string, SessionData>();
  for (const sid of sids) sessions.set(sid, (await calls.get(sid)) as SessionData);
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

/** Our store beside the stock ones: same servers, same process, in turns. */
export async function sessions({ rounds = 7, ms = 1_000 } = {}): Promise<Record<string, Duel>> {
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
  const redis = await startRedisServer();
  const client = await mongoose.mongo.MongoClient.connect(mongo.url);
  const bare = createClient({ url: redis.url, commandOptions: { timeout: 0 }, maintNotifications: "disabled" });
  await bare.connect();
  const door = createRedisDoor({ config: loadConfig({ REDIS_URL: redis.url }), log: quiet });
  const dial = createDial({ mode: "serve", percent: 100 });
  const dbName = client.db().databaseName;
  const ours = rolloutStore({ mongo: { client, dbName }, redis: door, settings: dial, log: quiet });
  const connectMongo = createMongoStore({ client, dbName, collection: "stock", ttlSeconds: 86_400 });
  const connectRedis = new RedisStore({ client: bare });
  // Somebody counts, as in a server that is watched.
  ours.events.on("operation", () => {});
  door.events.on("answered", () => {});
  door.start();
  try {
    const sids = Array.from({ length: SESSIONS }, (_, n) => `bench-${n}-${"x".repeat(20)}`);
    for (const store of [ours, connectMongo, connectRedis])
      for (const sid of sids) await callsOf(store).set(sid, sessionOfOneKilobyte());
    await until(() => ours.stats().readingFrom === "redis", { describe: () => ours.stats() });
    for (const sid of sids) await callsOf(ours).get(sid);

    const figures: Record<string, Duel> = {};
    figures["get at 100 % / connect-redis"] = await duel(sids, rounds, ms, reading(connectRedis), reading(ours));
    figures["set at 100 % / connect-mongo"] = await duel(
      sids,
      rounds,
      ms,
      await saving(connectMongo, sids),
      await saving(ours, sids),
    );
    dial.set({ percent: 0 });
    figures["get at 0 % / connect-mongo"] = await duel(sids, rounds, ms, reading(connectMongo), reading(ours));
    return figures;
  } finally {
    await ours.close();
    await door.close();
    bare.destroy();
    await client.close();
    await redis.close();
    await mongo.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** What the store may cost, as a share of what the stock one does. */
export const targets: Record<string, number> = {
  "get at 100 % / connect-redis": 0.9,
  "set at 100 % / connect-mongo": 0.7,
  "get at 0 % / connect-mongo": 0.95,
};

export async function run(): Promise<void> {
  console.log(`sessions of 1 kB, ${CONCURRENCY} callers, medians of rounds taken in turns`);
  for (const [name, { stock, ours, ratio }] of Object.entries(await sessions())) {
    const [per, other] = [Math.round(ours).toLocaleString("en"), Math.round(stock).toLocaleString("en")];
    const target = targets[name] ?? 0;
    const verdict = ratio >= target ? "reached" : "MISSED";
    console.log(
      `${name.padEnd(30)} ${per.padStart(7)}/s against ${other.padStart(7)}/s: ${ratio.toFixed(2)}, target ${target} ${verdict}`,
    );
  }
}
