import session, { type Store } from "express-session";
import mongoose from "mongoose";
import type { RolloutStore } from "../../src/sessions/store.ts";
import { createMongoStore } from "../../src/sessions/stores/mongo.ts";
import type { SessionMode } from "../../src/sessions/types.ts";
import { gateDb, gateDoor, type Life } from "../support/gate.ts";
import { startProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Instance, startInstance } from "../support/session-store.ts";
import type { Stored } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

/** What an instance has read or saved last of a session, as the object that a request would hold. */
export interface Held {
  session: Stored;
  /** When it was read, or saved. */
  from: number;
  to: number;
  value: string | null;
}

/** A server process, as far as sessions go. */
export interface Member {
  readonly name: string;
  readonly store: RolloutStore;
  readonly instance: Instance;
  readonly life: Life;
  readonly held: Map<string, Held>;
  clock: number;
  /** Its clock has been off, and its versions may still be ahead. */
  skewed: boolean;
}

/** All faster than in the product, and what one knows, all know that much sooner. */
export const timing = {
  epochPoll: 25,
  epochTrust: 100,
  epochWait: 75,
  bumpEvery: 80,
  behind: 420,
  settle: 50,
  doubt: 250,
  lease: 3_000,
  floor: 150,
};
export const lagMs = 600;
export const operationMs = 4_000;

const STEP_MS = 20;
const MOST_MS = 60;

/** Milliseconds in which this process was awake: a busy machine is not the store's fault. */
function startAwake(): { now(): number; stop(): void } {
  let awake = 0;
  let last = performance.now();
  const tick = () => {
    const now = performance.now();
    awake += Math.min(now - last, MOST_MS);
    last = now;
  };
  const timer = setInterval(tick, STEP_MS);
  return { now: () => awake + Math.min(performance.now() - last, MOST_MS), stop: () => clearInterval(timer) };
}

/** Two instances, an old server's store, Redis, and a way to MongoDB that can be cut. */
export async function startWorld(mongoUrl: string) {
  const redis: RedisServer = await startRedisServer();
  const mongoPort = Number(/:(\d+)/.exec(mongoUrl.replace(/^\w+:\/\//, ""))?.[1]);
  const proxy = await startProxy(mongoPort);
  const proxied = `mongodb://127.0.0.1:${proxy.port}/${new URL(mongoUrl).pathname.slice(1)}?directConnection=true`;
  const client = new mongoose.mongo.MongoClient(mongoUrl);
  const stock: Store = createMongoStore({
    client,
    dbName: client.db().databaseName,
    collection: "sessions",
    ttlSeconds: 86_400,
  });
  const awake = startAwake();
  const members = new Map<string, Member>();
  const doubled: string[] = [];
  const operations: Record<string, number> = {};
  const spent = { read: 0, redis: 0 };
  let lives = 0;
  let dial: { mode: SessionMode; percent: number } = { mode: "serve", percent: 100 };
  let mongoDownAt = Number.NEGATIVE_INFINITY;
  let mongoIsDown = false;
  let restore: (() => Promise<void>) | undefined;

  async function start(letter: string): Promise<Member> {
    lives += 1;
    const life: Life = { dead: false };
    const clock = { now: () => performance.timeOrigin + performance.now() + (member?.clock ?? 0) };
    let member: Member | undefined;
    const instance = await startInstance({
      mongoUrl: `${proxied}&serverSelectionTimeoutMS=300&heartbeatFrequencyMS=500`,
      redisUrl: redis.url,
      collection: "sessions",
      clock,
      timing,
      deadlines: { operationMs },
      dial,
      env: { REDIS_BACKOFF_MAX: "100ms" },
      wrap: { door: (door) => gateDoor(door, life), db: (db) => gateDb(db, life) },
    });
    session({
      store: instance.store,
      secret: "not told",
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 86_400_000 },
      genid: (req) => (req as unknown as { wanted: string }).wanted,
    });
    instance.store.events.on("operation", ({ op, store, result }) => {
      const name = `${op} ${store} ${result}`;
      operations[name] = (operations[name] ?? 0) + 1;
      if (op === "get" && result !== "error") spent.read += 1;
      if (op === "get" && store === "redis") spent.redis += 1;
    });
    member = {
      name: `${letter}${lives}`,
      store: instance.store,
      instance,
      life,
      held: new Map(),
      clock: 0,
      skewed: false,
    };
    members.set(letter, member);
    return member;
  }

  const world = {
    redis,
    stock,
    client,
    members,
    doubled,
    operations,
    spent,
    now: awake.now,
    start,
    at(letter: string): Member {
      const member = members.get(letter) ?? members.get("A");
      if (!member) throw new Error("there is no instance");
      return member;
    },
    each: (letter: string): Member[] => (letter === "all" ? [...members.values()] : [world.at(letter)]),

    /** The process dies where it stands: what it has sent is done, what it would have done next is not. */
    async crash(letter: string): Promise<void> {
      const { life, instance, name } = world.at(letter);
      life.dead = true;
      void instance.door.close();
      void instance.client.close(true);
      void instance.store.close();
      await start(name.slice(0, 1));
    },
    async stop(letter: string): Promise<void> {
      const member = members.get(letter);
      members.delete(letter);
      await member?.instance.close();
    },
    setDial(letter: string, change: { mode?: SessionMode; percent?: number }): void {
      if (letter === "all") dial = { ...dial, ...change };
      for (const { instance } of world.each(letter)) instance.dial.set(change);
    },
    /** Whether MongoDB may have been out for somebody who asked at `from`. */
    mongoTroubled: (from: number) => mongoIsDown || from < mongoDownAt + 3_000,
    mongoDown() {
      mongoIsDown = true;
      proxy.set({ kind: "refuse" });
      proxy.reset();
    },
    mongoUp() {
      if (mongoIsDown) mongoDownAt = awake.now();
      mongoIsDown = false;
      proxy.set({ kind: "none" });
    },
    async remember(): Promise<void> {
      restore = await redis.snapshot();
    },
    async redisStarts(how: "with its data" | "empty" | "with older data"): Promise<void> {
      if (how === "with older data" && restore) return restore();
      return redis.restart({ keepData: how === "with its data" });
    },
    /** Everything is well again, and in the bucket. */
    async heal(): Promise<void> {
      world.mongoUp();
      redis.thaw();
      await redis.ask("PING").catch(() => redis.restart({ keepData: false }));
      await redis.relieve();
      await Promise.all([...members.values()].map(({ instance }) => instance.door.disable(false, "healed")));
      world.setDial("all", { mode: "serve", percent: 100 });
      await world.trusting();
    },
    /** As well as the dials and switches let it be. */
    async restored(): Promise<void> {
      await until(() => [...members.values()].every(({ store }) => store.parts.trust.doubt() !== "epoch"));
    },
    async trusting(): Promise<void> {
      for (const { instance } of members.values()) await instance.trusting();
    },
    setClock(letter: string, ms: number): void {
      const member = world.at(letter);
      member.clock = ms;
      member.skewed ||= ms !== 0;
    },
    /** As `heal`, and no instance is left that remembers another time. `alone`: there is but one. */
    async begin(alone: boolean): Promise<void> {
      if (alone) await world.stop("B");
      else if (!members.has("B")) await start("B");
      await world.heal();
      const skewed = [...members].filter(([, member]) => member.skewed);
      for (const [letter] of skewed) await world.crash(letter);
      if (skewed.length > 0) await world.heal();
    },
    async close(): Promise<void> {
      world.mongoUp();
      redis.thaw();
      for (const { instance } of members.values()) await instance.close();
      await client.close();
      awake.stop();
      await proxy.close();
      await redis.close();
    },
  };
  for (const letter of ["A", "B"]) await start(letter);
  await client.connect();
  return world;
}

export type World = Awaited<ReturnType<typeof startWorld>>;
