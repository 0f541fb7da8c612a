import { hostname } from "node:os";
import type { ChangeStreamDocument, Db, Document } from "mongodb";
import mongoose from "mongoose";
import { systemClock } from "../kernel/clock.ts";
import { SluiceError } from "../kernel/errors.ts";
import { createLifecycle, type Lifecycle } from "../kernel/lifecycle.ts";
import { consoleLog, type Log } from "../kernel/log.ts";
import { type GivenDb, ourDb, ourDbOf } from "../mongo/given.ts";
import { lasting } from "../mongo/lasting.ts";
import { createSettingsStore } from "../mongo/settings.ts";
import { watchCollection } from "../mongo/watch.ts";
import { firstAnswer } from "../redis/first-answer.ts";
import { followKillSwitch } from "../redis/kill-switch.ts";
import type { RedisPlace } from "../redis/open.ts";
import { doorFor } from "../redis/place.ts";
import type { RedisDoor } from "../redis/types.ts";
import { createAppCache } from "./app-cache.ts";
import { type AppCacheOptions, checkPrefix } from "./app-options.ts";
import type { Topic } from "./bus-types.ts";
import type { AppCache } from "./http/aside.ts";
import { createCacheMemory } from "./memory.ts";
import { createCacheRoom } from "./room.ts";
import type { CacheEventSource } from "./types.ts";

export type { AppCacheOptions } from "./app-options.ts";
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
  db?: GivenDb;
  /** A URL, an environment with `REDIS_…` in it, or a door that is yours. Without any, MongoDB answers everything. */
  redis?: RedisPlace | RedisDoor | undefined;
  /** Of the keys in Redis, and of the channel on which changes are told; apps that share one Redis need one each. Default "cache:". */
  prefix?: string;
  /** What this process keeps in its own memory; 0: nothing. Default 64. */
  memoryMb?: number;
  /** Default: warnings and errors on the console. */
  log?: Log;
}

/** The caches of an app, and what they have opened. */
export interface Caches {
  readonly db: Db;
  readonly events: CacheEventSource;
  create<T>(options: AppCacheOptions<T>): AppCache<T>;
  /** A `db` or a door that was given stays open. */
  close(): Promise<void>;
}

const usual = { leaseMs: 3_000, waitMs: 250, loads: 16, auditPercent: 1, heartbeatMs: 300, silenceMs: 1_000 };

function databaseOf({ mongoUrl, db }: CachesOptions, life: Lifecycle): Db {
  if ((mongoUrl === undefined) === (db === undefined))
    throw new SluiceError(
      "CACHE_OPTIONS",
      "openCaches takes either mongoUrl or db, so that it knows where MongoDB is.",
    );
  if (db) return ourDb(db);
  const own = new mongoose.mongo.MongoClient(mongoUrl ?? "", { serverSelectionTimeoutMS: 5_000 });
  life.own("MongoDB", lasting(own), (it) => it.close());
  return ourDbOf(own);
}

/** `sluice kill on` reaches this process by the settings in MongoDB. */
function obeyKillSwitch(db: Db, door: RedisDoor, log: Log, life: Lifecycle): void {
  const sessions = { mode: "serve", percent: 0, oldServers: true } as const;
  const defaults = { redisDisabled: false, sessions, caches: {} };
  const settings = createSettingsStore({ db, watch: watchCollection, defaults, clock: systemClock, log });
  life.own("settings", settings, (own) => own.close());
  life.own("the kill switch", followKillSwitch({ settings, door, forced: false, log }), (it) => it.close());
}

function openAll({ redis, prefix = "cache:", memoryMb = 64, ...options }: CachesOptions, log: Log, life: Lifecycle) {
  checkPrefix(prefix);
  const topic: Topic = `updates:${prefix}app`;
  const db = databaseOf(options, life);
  const { door, own } = doorFor(redis, log);
  if (own) life.own("Redis", door, (it) => it.close());
  // Where there is no Redis, nobody needs to be asked whether it may be used.
  if (own && door.state !== "disabled") obeyKillSwitch(db, door, log, life);
  const serverId = `${hostname()}:${process.pid}`;
  let reading = false;
  const about = { serverId, isOn: () => true, reads: () => reading };
  const room = life.own("caches", createCacheRoom({ db, door, log, ...about, ...usual }), (it) => it.close());
  const near = { door, caches: room, topics: [topic] as const, ...usual };
  const memory = life.own("memory", createCacheMemory({ ...near, limitBytes: memoryMb * 1_048_576 }), (it) =>
    it.close(),
  );
  life.own("what is in doubt", room, (it) => it.finish());
  const nowReads = () => {
    reading = true;
  };
  return { db, room, place: { room, memory, topic, prefix, ready: firstAnswer(door), nowReads } };
}

/** What caches need, opened for an app of one's own. `cacheAside` shows how it is used. */
export function openCaches(options: CachesOptions): Caches {
  const { log = consoleLog } = options;
  const life = createLifecycle(log);
  try {
    const { db, room, place } = openAll(options, log, life);
    return {
      db,
      events: room.events,
      create: (about) => createAppCache(about, place),
      close: () => life.close(),
    };
  } catch (error) {
    void life.close();
    throw error;
  }
}
