import { hostname } from "node:os";
import type { Db, MongoClient, MongoClientOptions } from "mongodb";
import mongoose from "mongoose";
import { systemClock } from "../kernel/clock.ts";
import { SluiceError } from "../kernel/errors.ts";
import { createLifecycle, type Lifecycle } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { ensureIndexes } from "../mongo/indexes.ts";
import { createSettingsStore, type FollowedSettings } from "../mongo/settings.ts";
import { watchCollection } from "../mongo/watch.ts";
import { openRedisDoor, type RedisPlace } from "../redis/open.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { CodecOptions } from "./codec.ts";
import { createDialControl } from "./dial/control.ts";
import { settingsDial } from "./dial/settings-dial.ts";
import type { StepDownLimits } from "./dial/step-down.ts";
import { checkedDial } from "./dial.ts";
import type { RolloutOptions } from "./parts.ts";
import { RolloutStore } from "./store.ts";
import { createToolbox, type Toolbox } from "./tools/toolbox.ts";
import type { DialSettings, SessionDial } from "./types.ts";

export type { StepDownLimits } from "./dial/step-down.ts";
export { createDial, type OwnDial } from "./dial.ts";
export { type Backfilled, type BackfillOptions, backfillSessions } from "./tools/backfill.ts";
export { type Imported, type ImportOptions, importSessions } from "./tools/import.ts";
export type { Toolbox } from "./tools/toolbox.ts";
export { type Verified, type VerifyOptions, verifySessions } from "./tools/verify.ts";
export type { DialSettings, SessionDial, SessionEvents, SessionStats } from "./types.ts";
export type { CodecOptions, Log, RedisDoor, RedisPlace };

/** connect-mongo's options, by their own names and with its defaults, and where Redis is. */
export interface SessionStoreOptions extends CodecOptions {
  /** One of the three says where the sessions are; of a client, `dbName` or the database of its URL. */
  mongoUrl?: string;
  client?: MongoClient;
  db?: Db;
  mongoOptions?: MongoClientOptions;
  dbName?: string;
  /** Default `sessions`. */
  collectionName?: string;
  /** Seconds that a session lives whose cookie has no end; default 14 days, as connect-mongo's. */
  ttl?: number;
  /** In seconds. */
  touchAfter?: number;
  timestamps?: boolean;
  transformId?: (sid: string) => string;
  /** native: an index removes what has expired, which is made when it is missing. Default native. */
  autoRemove?: "native" | "disabled";

  /** A URL, an environment with `REDIS_…` in it, or a door that is yours. Without any, MongoDB answers everything. */
  redis?: RedisPlace | RedisDoor | undefined;
  /** Of the keys in Redis; default `session:`. */
  prefix?: string;
  /** Where the dial stands until it is turned for the first time; default `serve` at 0. */
  dial?: Partial<DialSettings>;
  /** Your own dial, instead of the settings in MongoDB that the operator's commands change. */
  settings?: SessionDial;
  /** When the dial steps down by itself; false: never. */
  stepDown?: StepDownLimits | false;
  /** This process in `sluice status`; default host and process id. */
  serverId?: string;
  version?: string;
  /** Default: warnings and errors on the console. */
  log?: Log;
  timing?: NonNullable<RolloutOptions["timing"]>;
  deadlines?: NonNullable<RolloutOptions["deadlines"]>;
}

/** A session store that can be turned from MongoDB to Redis and back, with all that it has opened for itself. */
export interface SessionStore extends RolloutStore {
  /** For `backfillSessions`, `verifySessions` and `importSessions`. */
  readonly tools: Toolbox;
  /** Ends the store and what it has opened; a client, a db or a door that was given stays open. */
  close(): Promise<void>;
}

const fourteenDays = 14 * 86_400;
const reportEveryMs = 1_000;
const limits: StepDownLimits = { windowMs: 10_000, errors: 5, latencyMs: 50, missing: 5 };

const consoleLog: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields),
};

function databaseOf(options: SessionStoreOptions, life: Lifecycle): Db {
  const { mongoUrl, client, db, dbName, mongoOptions } = options;
  const given = [mongoUrl, client, db].filter((one) => one !== undefined).length;
  if (given !== 1)
    throw new SluiceError("SESSION_OPTIONS", `mongoUrl, client and db: ${given} of them are given; give one of them.`);
  if (db) return db;
  if (client) return client.db(dbName);
  const own = new mongoose.mongo.MongoClient(mongoUrl ?? "", { serverSelectionTimeoutMS: 5_000, ...mongoOptions });
  life.own("MongoDB", own, (it) => it.close());
  return own.db(dbName);
}

async function makeIndexes(db: Db, collection: string, autoRemove: string, log: Log): Promise<void> {
  const context = { db, log, sessionCollection: collection, claim: { willMake: async () => {}, made: async () => [] } };
  if (autoRemove === "native")
    await ensureIndexes(context, collection, [{ keys: { expires: 1 }, expireAfterSeconds: 0 }]);
  await ensureIndexes(context, `${collection}_ended`, [{ keys: { at: 1 }, expireAfterSeconds: 86_400 }]);
  await ensureIndexes(context, "sluice_instances", [{ keys: { at: 1 }, expireAfterSeconds: 60 }]);
}

/** `sluice kill on` keeps this process away from Redis, too. */
function followKillSwitch(settings: FollowedSettings, door: RedisDoor, log: Log): void {
  let off = false;
  const follow = () => {
    const { redisDisabled } = settings.current;
    if (redisDisabled === off) return;
    off = redisDisabled;
    log.warn({}, `The kill switch is ${off ? "on: no command goes to Redis" : "off"}`);
    door
      .disable(off, "the kill switch is on")
      .catch((error: unknown) => log.error({ err: error }, "Redis was not left"));
  };
  settings.events.on("change", follow);
  void settings.loaded.then(follow);
}

class AdoptedStore extends RolloutStore implements SessionStore {
  readonly tools: Toolbox;
  readonly #life: Lifecycle;

  constructor(options: RolloutOptions, tools: Toolbox, life: Lifecycle) {
    super(options);
    this.tools = tools;
    this.#life = life;
    life.own("sessions", this, () => super.close());
  }
  override close(): Promise<void> {
    return this.#life.close();
  }
}

/**
 * In place of connect-mongo, with the options that it had:
 *
 * ```ts
 * import express from "express";
 * import session from "express-session";
 * import { rolloutStore } from "sluice/sessions";
 *
 * const store = rolloutStore({ mongoUrl: "mongodb://127.0.0.1/shop", redis: "redis://127.0.0.1:6379" });
 * const app = express();
 * app.use(session({ store, secret: "a secret", resave: false, saveUninitialized: false }));
 * app.listen(3000);
 * ```
 *
 * Call `store.close()` when the server has ended. The dial stands at 0 until somebody turns it:
 * `MONGODB_URL=… REDIS_URL=… sluice dial set 10 --reason "first tenth"`.
 */
export function rolloutStore(options: SessionStoreOptions): SessionStore {
  const { redis = "", log = consoleLog, settings: dial, stepDown = limits, autoRemove = "native" } = options;
  const {
    collectionName: collection = "sessions",
    ttl: ttlSeconds = fourteenDays,
    serverId,
    version = "app",
  } = options;
  const sessions = checkedDial({ mode: "serve" as const, percent: 0, oldServers: true, ...options.dial });
  const clock = systemClock;
  const life = createLifecycle(log);
  const db = databaseOf(options, life);
  const given = typeof redis === "object" && "onRecovery" in redis;
  const door = given
    ? (redis as RedisDoor)
    : life.own("Redis", openRedisDoor(redis as RedisPlace, log), (it) => it.close());
  const tools = createToolbox({ ...options, db, door, collection, ttlSeconds });
  const making = makeIndexes(db, collection, autoRemove, log).catch((error: unknown) =>
    log.warn(
      { err: error },
      "The indexes of the sessions could not be made: restart, or what has expired stays in MongoDB",
    ),
  );
  life.own("indexes", making, (made) => made);
  const about = { ...options, mongo: { db }, redis: door, log, collection, ttlSeconds, clock };
  if (dial) return new AdoptedStore({ ...about, settings: dial }, tools, life);

  const defaults = { redisDisabled: false, sessions, caches: {} };
  const settings = createSettingsStore({ db, watch: watchCollection, defaults, clock, log });
  life.own("settings", settings, (it) => it.close());
  if (!given) followKillSwitch(settings, door, log);
  const store = new AdoptedStore({ ...about, settings: settingsDial(settings) }, tools, life);
  const control = createDialControl({
    ...{ settings, store, db, door, box: tools, version, ttlSeconds, everyMs: reportEveryMs, clock, log },
    serverId: serverId ?? `${hostname()}:${process.pid}`,
    ...(stepDown === false ? {} : { limits: stepDown }),
  });
  life.own("the dial", control, (it) => it.close());
  return store;
}
