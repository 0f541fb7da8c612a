import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { type Group, startGroup } from "../../test/support/group.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { until } from "../../test/support/until.ts";
import { mint } from "../sessions/people.ts";
import type { FaultRow } from "../support/faults.ts";
import { stateAt, watchRedis } from "../support/watch.ts";
import { nothingSeen, type Seen, startReaders } from "./readers.ts";
import { startWriters } from "./writers.ts";

interface Scene {
  readonly redis: RedisServer;
  /** As long as a fault lasts. */
  wait(): Promise<void>;
  /** Redis anew, with what it held a while ago. */
  restore(): Promise<void>;
}

interface Fault {
  readonly name: string;
  readonly interrupts?: boolean;
  /** Ends when Redis could be used again. */
  act(scene: Scene): Promise<unknown>;
}

const noop = () => {};

export const faults: readonly Fault[] = [
  {
    name: "Redis killed, and started anew",
    interrupts: true,
    async act({ redis, wait }) {
      await redis.kill();
      await wait();
      await redis.start();
    },
  },
  {
    name: "Redis frozen, and thawed",
    interrupts: true,
    async act({ redis, wait }) {
      redis.freeze();
      await wait();
      redis.thaw();
    },
  },
  { name: "Redis flushed", act: ({ redis }) => redis.ask("FLUSHALL") },
  { name: "Redis restarted with an old state", act: ({ restore }) => restore() },
  {
    name: "Redis evicts",
    async act({ redis, wait }) {
      await redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
      // Most of the keys do not fit any more.
      await redis.ask("CONFIG", "SET", "maxmemory", Number(await redis.info("used_memory")) - 50_000);
      await wait();
      await redis.relieve();
    },
  },
];

export interface CacheDrillOptions {
  mongoUrl: string;
  people: number;
  /** How long it is well, and how long each fault lasts. */
  healthySeconds: number;
  faultSeconds: number;
  /** What was written so long ago must be told: a second, and what a busy machine takes. */
  boundMs: number;
  leastFromCache: number;
  env?: Record<string, string>;
  say(line: string): void;
}

interface CacheRow extends FaultRow {
  /** From when Redis was mended until each list and history came from the caches again, at each server. */
  readonly cachedMs?: number;
}

export interface CacheDrillReport {
  readonly rows: readonly (CacheRow & Seen & { readonly healthy: boolean })[];
  readonly through: number;
  readonly past: number;
  readonly leastFromCache: number;
  readonly failures: readonly string[];
}

const rooms = ["general", "hall-1", "hall-2"];
const writersShare = 0.5;
/** Of each phase. */
const fewestChecked = 20;
const mostExamples = 10;
const quiet = { debug: noop, info: noop, warn: noop, error: console.error };

async function furnish(db: mongoose.mongo.Db): Promise<void> {
  const halls = Array.from({ length: 30 }, (_, n) => {
    const about = { type: "text", description: `The hall number ${n}.`, createdBy: "somebody", position: n + 10 };
    return { id: `hall-${n}`, name: `Hall ${n}`, ...about, createdAt: new Date() };
  });
  await db.collection("channels").insertMany(halls);
  const words = rooms.flatMap((channel) =>
    Array.from({ length: 120 }, (_, n) => {
      const about = { author: "somebody", type: "public", target: null, status: "delivered", replyTo: null };
      return { ...about, channel, text: `word ${n}`, timestamp: new Date(Date.now() - (n + 10) * 1_000) };
    }),
  );
  await db.collection("messages").insertMany(words);
}

async function perform(options: CacheDrillOptions, redis: RedisServer, group: Group, db: mongoose.mongo.Db) {
  const { healthySeconds, faultSeconds, boundMs, leastFromCache, say } = options;
  const urls = group.instances.map(({ url }) => url);
  const up = async () => (await Promise.all(urls.map(stateAt))).every((state) => state === "up");
  /** Each list and history comes from the caches at each server, if only for a moment. */
  async function served(): Promise<void> {
    let last: string[] = [];
    const all = async () => {
      last = await readers.unserved();
      return last.length === 0;
    };
    const describe = () => `the caches to be used at all servers; not yet: ${last.join(", ")}`;
    await until(all, { timeoutMs: 30_000, everyMs: 50, describe });
  }
  const well = () => until(up, { timeoutMs: 30_000, describe: "Redis to be up at all servers" });
  await furnish(db);
  const secrets = { jwt: options.env?.JWT_SECRET ?? "", session: options.env?.SESSION_SECRET ?? "" };
  const people = await mint(options.people, { mongo: options.mongoUrl, redis: redis.url }, secrets, quiet);
  await well();
  const writers = await startWriters({ urls, db, rooms, people: people.slice(0, people.length * writersShare) });
  const readers = await startReaders({ urls, mongoUrl: options.mongoUrl, rooms, people, boundMs });
  const between = { fault: "in between", healthy: false, seen: readers.look(nothingSeen()), more: {} };
  const phases: { fault: string; healthy: boolean; seen: Seen; more: Partial<CacheRow> }[] = [];

  async function phase(name: string, healthy: boolean, work: () => Promise<Partial<CacheRow>>): Promise<void> {
    const seen = readers.look(nothingSeen());
    const since = performance.now();
    const more = await work();
    readers.look(between.seen);
    phases.push({ fault: name, healthy, seen, more: { seconds: (performance.now() - since) / 1_000, ...more } });
    const share = ((100 * seen.hits) / seen.requests).toFixed(1);
    say(
      `${name}: ${seen.requests} requests, ${seen.errors} errors, ${seen.stale} stale, ${share} % from the caches, else ${JSON.stringify(seen.misses)}`,
    );
  }
  try {
    await pause(healthySeconds * 1_000);
    for (const { name, interrupts, act } of faults) {
      await well();
      await served();
      await phase("none", true, async () => {
        await pause(healthySeconds * 1_000);
        return {};
      });
      const restore = await redis.snapshot();
      const wait = () => pause(faultSeconds * 1_000);
      await wait();
      await phase(name, false, async () => {
        const watch = watchRedis(urls);
        await act({ redis, wait, restore });
        watch.mended();
        const since = performance.now();
        const serving = served().then(() => performance.now() - since);
        const [watched, cachedMs] = await Promise.all([watch.end(30_000), serving]);
        await pause(boundMs);
        return { interrupts, ...watched, cachedMs };
      });
    }
    await readers.stop();
    await writers.stop();
    const rows = [...phases, between].map(({ seen, more, ...row }) => ({ ...row, ...seen, ...more }));
    const { through, past } = writers.counts;
    const sum = (of: "errors" | "stale" | "lost" | "checked") => rows.reduce((total, row) => total + row[of], 0);
    const failures = [
      ...(["errors", "stale", "lost"] as const).flatMap((name) => (sum(name) > 0 ? [`${name}: ${sum(name)}`] : [])),
      ...writers.failures.slice(0, mostExamples),
      ...(past === 0 ? ["nothing was written past the servers"] : []),
      ...phases
        .filter(({ seen }) => seen.checked < fewestChecked)
        .map(({ fault, seen }) => `${fault}: only ${seen.checked} answers were compared with MongoDB`),
      ...readers.examples,
    ];
    return { rows, through, past, leastFromCache, failures };
  } finally {
    await readers.stop();
    await writers.close();
  }
}

/** Two servers, readers and writers, some of them past the servers, and Redis in every trouble. */
export async function performCacheDrill(options: CacheDrillOptions): Promise<CacheDrillReport> {
  const redis = await startRedisServer();
  const client = await mongoose.mongo.MongoClient.connect(options.mongoUrl);
  const secret = () => randomBytes(24).toString("hex");
  const secrets = { JWT_SECRET: secret(), SESSION_SECRET: secret() };
  const env = { MONGODB_URL: options.mongoUrl, REDIS_URL: redis.url, ...secrets, ...options.env };
  try {
    const group = await startGroup({ count: 2, env });
    try {
      return await perform({ ...options, env }, redis, group, client.db());
    } finally {
      redis.thaw();
      await group.close();
    }
  } finally {
    await client.close();
    await redis.close();
  }
}
