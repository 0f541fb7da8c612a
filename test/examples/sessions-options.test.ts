import { MongoStore } from "connect-mongo";
import type { SessionData } from "express-session";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  backfillSessions,
  rolloutStore,
  type SessionStore,
  type SessionStoreOptions,
} from "../../src/sessions/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { callsOf, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;
const base64 = {
  serialize: (session: SessionData) => Buffer.from(JSON.stringify(session)).toString("base64"),
  unserialize: (stored: unknown) => JSON.parse(Buffer.from(String(stored), "base64").toString()) as SessionData,
};

type Shared = Pick<
  SessionStoreOptions,
  "collectionName" | "ttl" | "touchAfter" | "stringify" | "serialize" | "unserialize" | "crypto" | "transformId"
>;

const used: Record<string, Shared> = {
  "no options": {},
  "sessions as objects": { stringify: false },
  "functions of its own": base64,
  crypto: { crypto: { secret: "squirrel" } },
  "crypto of objects": { crypto: { secret: "squirrel" }, stringify: false },
  touchAfter: { touchAfter: 3_600 },
  "a collection of its own": { collectionName: "visits" },
  "a life of its own": { ttl: 3_600 },
  "ids of its own": { transformId: (sid) => `id-${sid}` },
};

describe("what an app has told connect-mongo", () => {
  const mongo = mongoUrl("sessions-options");
  let redis: RedisServer;
  let client: mongoose.mongo.MongoClient;
  const opened: { close(): unknown }[] = [];

  const reading = (store: SessionStore) =>
    until(() => store.stats().readingFrom === "redis", { describe: () => store.stats() });
  function open(options: SessionStoreOptions): SessionStore {
    const patient = { REDIS_URL: redis.url, REDIS_DEADLINE: "5s", REDIS_WATCHDOG: "5s" };
    const store = rolloutStore({ redis: patient, dial: { percent: 100 }, stepDown: false, ...options });
    opened.push(store);
    return store;
  }
  function stock(options: Shared): MongoStore {
    const store = MongoStore.create({ mongoUrl: mongo, ...options } as Parameters<typeof MongoStore.create>[0]);
    opened.push(store);
    return store;
  }

  beforeAll(async () => {
    redis = await startRedisServer();
    client = await mongoose.mongo.MongoClient.connect(mongo);
  });
  afterAll(async () => {
    for (const { close } of opened.reverse().map((store) => ({ close: () => store.close() }))) await close();
    await client.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  for (const [name, options] of Object.entries(used))
    it(`is as good here: ${name}`, async () => {
      const [theirs, ours] = [callsOf(stock(options)), open({ mongoUrl: mongo, prefix: `${name}:`, ...options })];
      const calls = callsOf(ours);
      const sid = `of-${name.replaceAll(" ", "-")}`;
      const session = sessionOf(day, { cart: ["tea"], count: 1 });
      await theirs.set(sid, session);
      const told = { cart: ["tea"], count: 1, cookie: { originalMaxAge: day } };
      expect(await calls.get(sid)).toMatchObject(told);

      await reading(ours);
      let fromRedis = 0;
      const leave = ours.events.on("operation", ({ op, store, result }) => {
        if (op === "get" && store === "redis" && result === "hit") fromRedis += 1;
      });
      await until(async () => {
        expect(await calls.get(sid)).toMatchObject(told);
        return fromRedis > 0;
      });
      leave();

      const read = await calls.get(sid);
      await calls.set(sid, { ...read, count: 2 } as object);
      expect(await theirs.get(sid)).toMatchObject({ cart: ["tea"], count: 2 });
      await theirs.touch(sid, sessionOf(day, { cart: ["tea"], count: 2 }));
      await calls.touch(sid, sessionOf(day, { cart: ["tea"], count: 2 }));
      await calls.destroy(sid);
      expect(await theirs.get(sid)).toBeNull();
    });

  it("lives as long as before when its cookie has no end", async () => {
    const endless = { cookie: { originalMaxAge: null }, count: 1 };
    for (const options of [{}, { ttl: 3_600 }]) {
      const [theirs, ours] = [callsOf(stock(options)), callsOf(open({ client, ...options }))];
      await theirs.set("endless-theirs", endless);
      await ours.set("endless-ours", endless);
      const sessions = client.db().collection<{ _id: string; expires: Date }>("sessions");
      const [one, other] = await Promise.all(
        ["endless-theirs", "endless-ours"].map((_id) => sessions.findOne({ _id })),
      );
      expect(Math.abs(Number(one?.expires) - Number(other?.expires))).toBeLessThan(60_000);
    }
  });

  it("makes the index that removes what has expired, and can be copied ahead", async () => {
    const store = open({ db: client.db(), collectionName: "ahead", stringify: false, prefix: "ahead:" });
    const ahead = client.db().collection("ahead");
    await until(async () => (await ahead.indexes()).some(({ expireAfterSeconds }) => expireAfterSeconds === 0));
    await callsOf(store).set("one", sessionOf(day, { n: 1 }));
    await redis.ask("DEL", "ahead:one");
    expect(await backfillSessions(store.tools)).toMatchObject({ sessions: 1, copied: 1 });
    expect(await redis.ask("EXISTS", "ahead:one")).toBe(1);
  });

  it("must say where the sessions are, once", () => {
    expect(() => rolloutStore({ redis: redis.url })).toThrow("0 of them are given; give one of them");
    expect(() => rolloutStore({ client, mongoUrl: mongo })).toThrow("2 of them are given");
  });

  it("needs no Redis at all", async () => {
    const store = open({ client, redis: undefined, collectionName: "alone" });
    await callsOf(store).set("one", sessionOf(day, { n: 1 }));
    expect(await callsOf(store).get("one")).toMatchObject({ n: 1 });
    expect(store.stats()).toMatchObject({ readingFrom: "mongo", redis: "disabled" });
  });
});
