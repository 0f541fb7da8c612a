import { MongoStore } from "connect-mongo";
import { RedisStore } from "connect-redis";
import type { SessionData, Store } from "express-session";
import mongoose from "mongoose";
import { createClient } from "redis";
import { withMongo } from "../drills/support/mongo.ts";
import { troubles } from "../drills/support/quiet.ts";
import { loadConfig } from "../src/config/load.ts";
import { createRedisDoor } from "../src/redis/door.ts";
import { createDial } from "../src/sessions/dial.ts";
import { rolloutStore } from "../src/sessions/store.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { callsOf, sessionOf } from "../test/support/store-calls.ts";
import { until } from "../test/support/until.ts";
import type { RunOptions } from "./support/conduct.ts";
import { callers, type Duel, duel, duelTable } from "./support/duel.ts";
import type { Report } from "./support/report.ts";

const SESSIONS = 1_000;

type ForSid = (sid: string) => Promise<unknown>;

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
  (store: Store): ForSid =>
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
async function saving(store: Store, sids: string[]): Promise<ForSid> {
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
async function touching(store: Store, sids: string[]): Promise<ForSid> {
  const calls = callsOf(store);
  const sessions = await sessionsOf(store, sids);
  return async (sid) => {
    const session = sessions.get(sid) as SessionData;
    session.cookie.expires = new Date(Date.now() + 86_400_000);
    await calls.touch(sid, session);
  };
}

/** As a request does with its session. */
const calls = { get: reading, set: saving, touch: touching };

/** How far a write has come before the server answers it, where whoever writes does not say. */
async function usualConcern(client: mongoose.mongo.MongoClient): Promise<string> {
  const { defaultWriteConcern } = await client.db("admin").command({ getDefaultRWConcern: 1 });
  return `w: ${defaultWriteConcern?.w ?? 1}`;
}

interface Measured {
  duels: Record<string, Duel>;
  /** Of the calls at 100 %, by what was called. */
  shares: Record<string, number>;
  /** Of the stock connect-mongo. */
  concern: string;
}

/** Our store beside the stock ones: same servers, same process, in turns. */
async function measureStores(mongoUrl: string, much: { rounds: number; ms: number }): Promise<Measured> {
  const redis = await startRedisServer();
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const bare = createClient({ url: redis.url, commandOptions: { timeout: 0 }, maintNotifications: "disabled" });
  await bare.connect();
  const door = createRedisDoor({ config: loadConfig({ REDIS_URL: redis.url }), log: troubles });
  const dial = createDial({ mode: "serve", percent: 100 });
  const dbName = client.db().databaseName;
  const ours = rolloutStore({ mongo: { client, dbName }, redis: door, settings: dial, log: troubles });
  const connectMongo = MongoStore.create({ client, dbName, collectionName: "stock" });
  const connectRedis = new RedisStore({ client: bare });
  // Somebody counts, as in a server that is watched.
  const counted = () => ({ redis: 0, mongo: 0 });
  const counts = { get: counted(), set: counted(), touch: counted() };
  ours.events.on("operation", ({ op, store }) => {
    if (op === "get" || op === "set" || op === "touch") counts[op][store] += 1;
  });
  const puts = () => door.answered().get("session.put") ?? 0;
  door.start();
  try {
    const sids = Array.from({ length: SESSIONS }, (_, n) => `bench-${n}-${"x".repeat(20)}`);
    for (const store of [ours, connectMongo, connectRedis])
      for (const sid of sids) await callsOf(store).set(sid, sessionOfOneKilobyte());
    await until(() => ours.stats().readingFrom === "redis", { describe: () => ours.stats() });
    for (const sid of sids) await callsOf(ours).get(sid);

    const duels: Record<string, Duel> = {};
    const stocks = { "connect-redis": connectRedis, "connect-mongo": connectMongo };
    async function beside(stock: keyof typeof stocks, call: keyof typeof calls): Promise<void> {
      const [own, other] = [await calls[call](ours, sids), await calls[call](stocks[stock], sids)];
      const sid = (n: number) => sids[n % sids.length] ?? "";
      duels[`${call} at ${dial.current.percent} % / ${stock}`] = await duel(
        (n) => own(sid(n)),
        (n) => other(sid(n)),
        much,
      );
    }
    Object.assign(counts, { get: counted(), set: counted(), touch: counted() });
    const putBefore = puts();
    for (const call of ["get", "set", "touch"] as const)
      for (const stock of ["connect-redis", "connect-mongo"] as const) await beside(stock, call);
    const { get, set, touch } = counts;
    const answered = ({ redis, mongo }: typeof get) => redis / (redis + mongo);
    // Each is in MongoDB first.
    const shares = { gets: answered(get), sets: (puts() - putBefore) / set.mongo, touches: answered(touch) };
    dial.set({ percent: 0 });
    for (const call of ["get", "set", "touch"] as const) await beside("connect-mongo", call);
    return { duels, shares, concern: await usualConcern(client) };
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
  const [rounds, ms] = short ? [21, 100] : [75, 100];
  const { duels, shares, concern } = await withMongo((url) => measureStores(url, { rounds, ms }));
  const table = duelTable("call", ["stock store", "ours"], duels);
  return {
    kind: "bench",
    name: "sessions",
    what: `the session store beside the stock ones as they come, ${SESSIONS} sessions of 1 kB, ${callers} callers, ${rounds} rounds in turns`,
    tables: [
      {
        ...table,
        title: `${table.title}; connect-mongo writes with MongoDB's default, ${concern}, ours to MongoDB first, with w: majority, also at 100 %`,
      },
    ],
    figures: Object.entries(duels).map(([name, { speed }]) => {
      const target = targets[name];
      return { name, ...speed, unit: "×", ...(target && { target }) };
    }),
    healthy: Object.entries(shares).map(([calls, share]) => ({
      phase: `${calls} at 100 %`,
      share,
      // Where everybody writes, MongoDB takes all processors, and Redis answers too late now and then.
      least: calls === "sets" ? 0.9 : 0.99,
    })),
    failures: [],
  };
}
