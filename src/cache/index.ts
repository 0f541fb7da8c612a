import { hostname } from "node:os";
import type { ChangeStreamDocument, Db, Document } from "mongodb";
import mongoose from "mongoose";
import { SluiceError } from "../kernel/errors.ts";
import { createLifecycle, type Lifecycle } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { openRedisDoor, type RedisPlace } from "../redis/open.ts";
import type { RedisDoor } from "../redis/types.ts";
import { type AppCacheOptions, createAppCache } from "./app-cache.ts";
import type { AppCache } from "./http/aside.ts";
import { createCacheMemory } from "./memory.ts";
import { createCacheRoom } from "./room.ts";
import type { CacheEventSource } from "./types.ts";

export type { AppCacheOptions } from "./app-cache.ts";
export {
  type AppCache,
  type CacheAsideOptions,
  cacheAside,
  invalidate,
  type WriteThroughOptions,
  writeThrough,
} from "./http/aside.ts";
export type { CacheEvents, Freshness } from "./types.ts";
export type { ChangeStreamDocument, Document, Log, RedisDoor, RedisPlace };

export interface CachesOptions {
  /** One of the two says where MongoDB is. */
  mongoUrl?: string;
  db?: Db;
  /** A URL, an environment with `REDIS_…` in it, or a door that is yours. Without any, MongoDB answers everything. */
  redis?: RedisPlace | RedisDoor | undefined;
  /** What this process keeps in its own memory; 0: nothing. Default 64. */
  memoryMb?: number;
  /** Default: warnings and errors on the console. */
  log?: Log;
}

/** The caches of an app, and what they have opened. */
export interface Caches {
  readonly db: Db;
  readonly events: CacheEventSource;
  create<T>(options: AppCacheOptions): AppCache<T>;
  /** A `db` or a door that was given stays open. */
  close(): Promise<void>;
}

const topic = "updates:app";
const usual = { leaseMs: 3_000, waitMs: 250, loads: 16, auditPercent: 1, heartbeatMs: 300, silenceMs: 1_000 };

const consoleLog: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields),
};

function databaseOf({ mongoUrl, db }: CachesOptions, life: Lifecycle): Db {
  if ((mongoUrl === undefined) === (db === undefined))
    throw new SluiceError(
      "CACHE_OPTIONS",
      "openCaches takes either mongoUrl or db, so that it knows where MongoDB is.",
    );
  if (db) return db;
  const own = new mongoose.mongo.MongoClient(mongoUrl ?? "", { serverSelectionTimeoutMS: 5_000 });
  life.own("MongoDB", own, (client) => client.close());
  return own.db();
}

/** What caches need, opened for an app of one's own. `cacheAside` shows how it is used. */
export function openCaches(options: CachesOptions): Caches {
  const { redis = "", memoryMb = 64, log = consoleLog } = options;
  const life = createLifecycle(log);
  const db = databaseOf(options, life);
  const given = typeof redis === "object" && "onRecovery" in redis;
  const door = given
    ? (redis as RedisDoor)
    : life.own("Redis", openRedisDoor(redis as RedisPlace, log), (own) => own.close());
  const serverId = `${hostname()}:${process.pid}`;
  const room = life.own("caches", createCacheRoom({ db, door, log, serverId, ...usual, isOn: () => true }), (own) =>
    own.close(),
  );
  const near = { door, caches: room, topics: [topic] as const, ...usual };
  const memory = life.own("memory", createCacheMemory({ ...near, limitBytes: memoryMb * 1_048_576 }), (own) =>
    own.close(),
  );
  return {
    db,
    events: room.events,
    create: (about) => createAppCache(about, { room, memory, topic }),
    close: () => life.close(),
  };
}
