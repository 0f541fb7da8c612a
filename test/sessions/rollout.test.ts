import { AsyncLocalStorage } from "node:async_hooks";
import { RedisStore } from "connect-redis";
import type { SessionData, Store } from "express-session";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RedisDoor } from "../../src/redis/types.ts";
import { createMongoStore } from "../../src/sessions/stores/mongo.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Db, type Instance, startInstance } from "../support/session-store.ts";
import { callsOf, type StoreCalls, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;
const url = mongoUrl("rollout");
let redis: RedisServer;
let one: Instance;
/** Of the work that is looked at: what the store does beside it is no part of it. */
const trips = new AsyncLocalStorage<string[]>();
let serial = 0;
function newSid(): string {
  serial += 1;
  return `sid-${serial}`;
}

/** Notes every call to a server that the store makes for a request. */
function noted(): { door: (door: RedisDoor) => RedisDoor; db: (db: Db) => Db } {
  const redisCall = (target: RedisDoor) =>
    new Proxy(target, {
      get(_, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (!["call", "ask", "script"].includes(String(key)))
          return typeof value === "function" ? value.bind(target) : value;
        return (what: string | { name: string }, ...rest: unknown[]) => {
          trips.getStore()?.push(`redis ${typeof what === "string" ? what : what.name}`);
          return (value as (...args: unknown[]) => unknown).call(target, what, ...rest);
        };
      },
    });
  const collection = <T extends object>(target: T) =>
    new Proxy(target, {
      get(_, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (/findOne|updateOne|deleteOne/.test(String(key))) trips.getStore()?.push(`mongo ${String(key)}`);
          return value.apply(target, args);
        };
      },
    });
  return {
    door: redisCall,
    db: (target) =>
      new Proxy(target, {
        get(_, key) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== "function") return value;
          if (key !== "collection") return value.bind(target);
          return (name: string) =>
            name === "sessions" ? collection(target.collection(name)) : target.collection(name);
        },
      }),
  };
}

// A busy machine must not make it doubt: which server is asked is what is looked at here.
const unhurried = { REDIS_DEADLINE: "5s", REDIS_REQUEST_BUDGET: "5s", REDIS_WATCHDOG: "8s" };

beforeAll(async () => {
  redis = await startRedisServer();
  one = await startInstance({
    mongoUrl: url,
    redisUrl: redis.url,
    wrap: noted(),
    timing: { epochTrust: 8_000, behind: 8_000 },
    env: unhurried,
  });
});
afterAll(async () => {
  await one?.close();
  await redis?.close();
  await dropDatabase(url);
});
beforeEach(async () => {
  one.dial.set({ mode: "serve", percent: 100, oldServers: true });
  await one.trusting();
});

/** As a request does it: reads, changes, saves. */
async function request(calls: StoreCalls, sid: string, change: (session: Record<string, unknown>) => void) {
  const session = await calls.get(sid);
  if (!session) throw new Error(`${sid} is gone`);
  change(session);
  await calls.set(sid, session);
}

async function copied(sid: string): Promise<void> {
  await until(async () => {
    await one.calls.get(sid);
    return (await redis.ask("EXISTS", `session:${sid}`)) === 1;
  });
  await one.calls.get(sid);
}

async function tripsOf(work: () => Promise<unknown>): Promise<string[]> {
  const mine: string[] = [];
  await trips.run(mine, work);
  return [...mine];
}

describe("a document in MongoDB", () => {
  const ends: [what: string, ends: object][] = [
    ["without an end", {}],
    ["that ends tomorrow", { expires: new Date(Date.now() + day) }],
    ["that has ended", { expires: new Date(Date.now() - 1) }],
    ["whose end is null", { expires: null }],
    ["whose end is a number", { expires: Date.now() + day }],
    ["whose end is a text", { expires: new Date(Date.now() + day).toISOString() }],
  ];
  it.each(ends)("%s is a session where it is one for connect-mongo", async (_, end) => {
    const { client } = one;
    const db = client.db();
    const sid = newSid();
    await db
      .collection<{ _id: string; session: string; expires?: unknown }>("sessions")
      .insertOne({ _id: sid, session: JSON.stringify(sessionOf(day, { n: 1 })), ...end });
    one.dial.set({ percent: 0 });
    const stock = createMongoStore({ client, dbName: db.databaseName, collection: "sessions", ttlSeconds: 60 });
    const theirs = await callsOf(stock).get(sid);
    const ours = await one.calls.get(sid);
    expect(Boolean(ours)).toBe(Boolean(theirs));
  });
});

describe("round trips", () => {
  it("in the bucket: a read and a touch ask Redis once, a save asks MongoDB and then Redis", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    await copied(sid);
    expect(await tripsOf(() => one.calls.get(sid))).toEqual(["redis session.get"]);
    const session = (await one.calls.get(sid)) ?? {};
    expect(await tripsOf(() => one.calls.touch(sid, session))).toEqual(["redis session.touch"]);
    expect(await tripsOf(() => one.calls.set(sid, session))).toEqual(["mongo updateOne", "redis session.put"]);
    const ending = await tripsOf(() => one.calls.destroy(sid));
    // What follows is the change stream's.
    expect(ending.slice(0, 2)).toEqual(["mongo deleteOne", "redis session.drop"]);
  });

  it("in the bucket, where each look at the epoch takes longer than it counts: Redis all the same, after a look", async () => {
    const two = await startInstance({
      mongoUrl: url,
      redisUrl: redis.url,
      timing: { epochTrust: 0, epochPoll: 600_000, epochWait: 20_000, behind: 8_000 },
      env: unhurried,
    });
    try {
      const sid = newSid();
      await two.calls.set(sid, sessionOf(day));
      const answered = (call: string) => two.counts("operation", "result")[call] ?? 0;
      await until(async () => (await two.calls.get(sid)) && answered("get redis hit") > 0);
      const [hits, doubts] = [answered("get redis hit"), two.counts("fallback", "reason").epoch];
      const sessions = await Promise.all(Array.from({ length: 20 }, () => two.calls.get(sid)));
      expect(answered("get redis hit") - hits).toBe(20);
      await two.calls.touch(sid, sessions[0] ?? {});
      expect(answered("touch redis ok")).toBe(1);
      expect(two.counts("fallback", "reason").epoch).toBe(doubts);
    } finally {
      await two.close();
    }
  });

  it("outside of it: as connect-mongo", async () => {
    one.dial.set({ percent: 0 });
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await until(() => one.store.stats().unsettled === 0);
    expect(await tripsOf(() => one.calls.get(sid))).toEqual(["mongo findOne"]);
    const session = (await one.calls.get(sid)) ?? {};
    expect(await tripsOf(() => one.calls.touch(sid, session))).toEqual(["mongo updateOne"]);
  });

  it("with Redis off: nothing goes to Redis at all", async () => {
    one.dial.set({ mode: "off" });
    const sid = newSid();
    const asked = await tripsOf(async () => {
      await one.calls.set(sid, sessionOf(day));
      await request(one.calls, sid, (session) => Object.assign(session, { n: 2 }));
      await one.calls.destroy(sid);
    });
    expect(asked.filter((trip) => trip.startsWith("redis"))).toEqual([]);
  });
});

describe("the way back, and the way on", () => {
  let stock: Store;
  let bare: ReturnType<typeof createClient>;

  beforeAll(async () => {
    stock = createMongoStore({
      client: one.client,
      dbName: one.client.db().databaseName,
      collection: "sessions",
      ttlSeconds: 86_400,
    });
    bare = createClient({ url: redis.url });
    await bare.connect();
  });
  afterAll(() => bare?.destroy());

  it.each([0, 50, 100])("every session is one of a stock connect-mongo at %i %%", async (percent) => {
    one.dial.set({ percent });
    for (let n = 0; n < 10; n += 1) {
      const [sid, session] = [newSid(), sessionOf(day, { n })];
      await one.calls.set(sid, session);
      expect(await callsOf(stock).get(sid)).toEqual(session);
      await request(one.calls, sid, (read) => Object.assign(read, { n: n + 1 }));
      expect(await callsOf(stock).get(sid)).toMatchObject({ n: n + 1 });
    }
  });

  it("every copy is one of a stock connect-redis, and lives as long as the session", async () => {
    const [sid, session] = [newSid(), sessionOf(day, { user: "ann" })];
    await one.calls.set(sid, session);
    await copied(sid);
    const theirs = await callsOf(new RedisStore({ client: bare, prefix: "session:" })).get(sid);
    expect(theirs).toMatchObject({ user: "ann", cookie: session.cookie });
    const left = Number(await redis.ask("PTTL", `session:${sid}`));
    expect(Math.abs(left - day)).toBeLessThan(5_000);
  });

  it("what an old server writes is read, and what it ends is gone, without anybody being told", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    await copied(sid);
    await callsOf(stock).set(sid, sessionOf(day, { n: 2 }));
    await until(async () => (await one.calls.get(sid))?.n === 2);
    await copied(sid);
    await callsOf(stock).destroy(sid);
    await until(async () => (await one.calls.get(sid)) === null);
  });

  it("a session that an old server writes back after its end is not answered, and ends again", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await one.calls.destroy(sid);
    await callsOf(stock).set(sid, sessionOf(day, { back: true }));
    expect(await one.calls.get(sid)).toBeNull();
    await until(async () => (await callsOf(stock).get(sid)) === null);
  });

  it("with no old servers any more, nothing is noted of those that end", async () => {
    one.dial.set({ oldServers: false });
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await one.calls.destroy(sid);
    expect(
      await one.client
        .db()
        .collection("sessions_ended")
        .countDocuments({ _id: sid as never }),
    ).toBe(0);
  });

  it("an old server's touch that ends a session sooner ends its copy as well", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await copied(sid);
    await callsOf(stock).touch(sid, sessionOf(2_000));
    await until(async () => Number(await redis.ask("PTTL", `session:${sid}`)) <= 2_000);
  });

  it("what a stock connect-redis wrote is neither believed nor overwritten by a read", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { from: "mongo" }));
    await callsOf(new RedisStore({ client: bare, prefix: "session:" })).set(sid, sessionOf(day, { from: "redis" }));
    expect(await one.calls.get(sid)).toMatchObject({ from: "mongo" });
    expect(JSON.parse(String(await redis.ask("GET", `session:${sid}`)))).toMatchObject({ from: "redis" });
  });
});

describe("a session object", () => {
  it("shows nothing of ours, in neither store", async () => {
    const [sid, session] = [newSid(), sessionOf(day, { user: "ann" })];
    await one.calls.set(sid, session);
    await copied(sid);
    for (const percent of [100, 0]) {
      one.dial.set({ percent });
      const read = (await one.calls.get(sid)) ?? sessionOf(0);
      expect(Reflect.ownKeys(read)).toEqual(["cookie", "user"]);
      expect(Reflect.ownKeys(read.cookie)).toEqual(Reflect.ownKeys(session.cookie));
      expect(JSON.stringify(read)).toBe(JSON.stringify(session));
    }
  });

  it("that was read is not saved once the session has ended; one made up is", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    const read = (await one.calls.get(sid)) ?? {};
    await one.calls.destroy(sid);
    await one.calls.set(sid, read);
    expect(await one.calls.get(sid)).toBeNull();
    expect(one.counts("operation", "result")["set mongo gone"]).toBeGreaterThan(0);
    await one.calls.set(sid, sessionOf(day, { anew: true }));
    expect(await one.calls.get(sid)).toMatchObject({ anew: true });
  });

  it("may be saved again and again, and two of one session are both saved, the last one last", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    const [first, second] = [(await one.calls.get(sid)) ?? {}, (await one.calls.get(sid)) ?? {}];
    await one.calls.set(sid, Object.assign(second, { n: 2 }));
    await one.calls.set(sid, Object.assign(first, { n: 1 }));
    expect(await one.calls.get(sid)).toMatchObject({ n: 1 });
    await Promise.all([3, 4, 5].map((n) => one.calls.set(sid, { ...second, n })));
    expect(await one.calls.get(sid)).toMatchObject({ n: 5 });
  });
});

describe("touches", () => {
  it("reach MongoDB when a tenth of the life has passed, so that an active session never ends there", async () => {
    const sid = newSid();
    const lifeMs = 5_000;
    await one.calls.set(sid, sessionOf(lifeMs));
    await copied(sid);
    const begun = Date.now();
    while (Date.now() - begun < 1.2 * lifeMs) {
      const session = await one.calls.get(sid);
      if (!session) throw new Error("an active session has ended");
      const { expires } = sessionOf(lifeMs).cookie;
      await one.calls.touch(sid, { ...session, cookie: Object.assign(session.cookie, { expires }) });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // Only this one: a Redis that has lost everything is noticed later, in the middle of another test.
    await redis.ask("DEL", `session:${sid}`);
    expect(await one.calls.get(sid)).not.toBeNull();
  });

  it("between two that MongoDB is told of keep the copy alive", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await copied(sid);
    const session = (await one.calls.get(sid)) ?? sessionOf(day);
    await redis.ask("PEXPIRE", `session:${sid}`, 60_000);
    expect(await tripsOf(() => one.calls.touch(sid, session))).toEqual(["redis session.touch"]);
    expect(Number(await redis.ask("PTTL", `session:${sid}`))).toBeGreaterThan(day - 60_000);
  });

  it("with a touchAfter are not told to MongoDB each time, copy or no copy", async () => {
    const other = await startInstance({
      ...{ mongoUrl: url, redisUrl: redis.url, wrap: noted(), env: unhurried, touchAfter: 3_600 },
      timing: { epochTrust: 8_000, behind: 8_000 },
    });
    try {
      await other.trusting();
      const sid = newSid();
      await other.calls.set(sid, sessionOf(day));
      const session = (await other.calls.get(sid)) ?? sessionOf(day);
      await redis.ask("DEL", `session:${sid}`);
      expect(await tripsOf(() => other.calls.touch(sid, session))).toEqual(["redis session.touch"]);
      other.dial.set({ percent: 0 });
      expect(await tripsOf(() => other.calls.touch(sid, session))).toEqual([]);
      Object.assign(session.cookie, { expires: sessionOf(2 * day).cookie.expires });
      expect(await tripsOf(() => other.calls.touch(sid, session))).toContain("mongo updateOne");
    } finally {
      await other.close();
    }
  });

  it("by whoever has read an older one leave the life that a newer save has given", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await copied(sid);
    const [older, newer] = [(await one.calls.get(sid)) ?? sessionOf(day), (await one.calls.get(sid)) ?? sessionOf(day)];
    Object.assign(newer.cookie, { expires: sessionOf(30 * day).cookie.expires });
    expect(await tripsOf(() => one.calls.set(sid, newer))).toEqual(["mongo updateOne", "redis session.put"]);
    expect(Number(await redis.ask("PTTL", `session:${sid}`))).toBeGreaterThan(29 * day);
    expect(await tripsOf(() => one.calls.touch(sid, older))).toEqual(["redis session.touch"]);
    expect(Number(await redis.ask("PTTL", `session:${sid}`))).toBeGreaterThan(29 * day);
  });

  it("of a session read here and there leave the copy no longer a life than the document", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(60_000));
    const session = (await one.calls.get(sid)) ?? sessionOf(0);
    Object.assign(session.cookie, { expires: sessionOf(day).cookie.expires });
    await one.calls.touch(sid, session);
    await redis.ask("DEL", `session:${sid}`);
    await copied(sid);
    expect(Number(await redis.ask("PTTL", `session:${sid}`))).toBeGreaterThan(day - 60_000);
  });
});

describe("what it is asked", () => {
  it.each(["with{brace", "with}brace", ""])("refuses the session id '%s'", async (sid) => {
    await expect(one.calls.get(sid)).rejects.toMatchObject({ code: "SESSION_ID" });
    await expect(one.calls.set(sid, sessionOf(day))).rejects.toMatchObject({ code: "SESSION_ID" });
    await expect(one.calls.destroy(sid)).rejects.toMatchObject({ code: "SESSION_ID" });
  });

  it("never writes a session id into the log", async () => {
    const sid = `secret-${newSid()}`;
    await one.calls.set(sid, sessionOf(day));
    await one.calls.get(sid);
    await one.calls.destroy(sid);
    expect(JSON.stringify(one.log.lines)).not.toContain("secret-");
  });
});

describe("shadow mode", () => {
  beforeEach(() => one.dial.set({ mode: "shadow" }));
  afterEach(() => one.dial.set({ mode: "serve" }));

  it("answers from MongoDB, makes the copies, and compares them", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    const before = one.counts("compared", "result");
    await until(async () => {
      expect(await one.calls.get(sid)).toMatchObject({ n: 1 });
      return (one.counts("compared", "result").same ?? 0) > (before.same ?? 0);
    });
    expect(one.counts("compared", "result").absent).toBeGreaterThan(before.absent ?? 0);
  });

  it("notices a copy that is wrong", async () => {
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { word: "right" }));
    const before = one.counts("compared", "result").different ?? 0;
    await until(async () => {
      // Again and again: what was still being copied comes after it.
      const text = String((await redis.ask("GET", `session:${sid}`)) ?? "");
      if (text.includes("right")) await redis.ask("SET", `session:${sid}`, text.replace("right", "wrong"), "KEEPTTL");
      expect(await one.calls.get(sid)).toMatchObject({ word: "right" });
      return (one.counts("compared", "result").different ?? 0) > before;
    });
  });
});

describe("lists", () => {
  it("name every session, and clear takes the copies as well", async () => {
    await one.calls.clear();
    const sids = [newSid(), newSid()];
    for (const sid of sids) await one.calls.set(sid, sessionOf(day));
    for (const sid of sids) await copied(sid);
    const ids = await new Promise<string[] | undefined>((resolve, reject) =>
      one.store.ids((error, list) => (error ? reject(error) : resolve(list))),
    );
    expect(ids?.sort()).toEqual(sids);
    await one.calls.clear();
    expect(await redis.ask("KEYS", "session:*")).toEqual([]);
  });
});

describe("sessions that are not JSON", () => {
  it("stay in MongoDB, and come back as they were", async () => {
    const other = await startInstance({
      mongoUrl: url,
      redisUrl: redis.url,
      collection: "objects",
      prefix: "session:objects:",
      stringify: false,
    });
    try {
      await other.trusting();
      const sid = newSid();
      const since = new Date("2026-01-01");
      await other.calls.set(sid, sessionOf(day, { since } as Record<string, unknown>));
      for (let n = 0; n < 2; n += 1)
        expect(((await other.calls.get(sid)) as unknown as SessionData & { since: Date }).since).toEqual(since);
      expect(await redis.ask("EXISTS", `session:objects:${sid}`)).toBe(0);
    } finally {
      await other.close();
    }
  });
});
