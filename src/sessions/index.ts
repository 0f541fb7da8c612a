import { hostname } from "node:os";
import type { Db } from "mongodb";
import { systemClock } from "../kernel/clock.ts";
import { createLifecycle, type Lifecycle } from "../kernel/lifecycle.ts";
import { consoleLog, type Log } from "../kernel/log.ts";
import { untilDone } from "../kernel/until-done.ts";
import { ensureIndexes } from "../mongo/indexes.ts";
import { createSettingsStore } from "../mongo/settings.ts";
import { watchCollection } from "../mongo/watch.ts";
import { followKillSwitch } from "../redis/kill-switch.ts";
import type { RedisPlace } from "../redis/open.ts";
import { doorFor } from "../redis/place.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { CodecOptions } from "./codec.ts";
import { createDialControl } from "./dial/control.ts";
import { settingsDial } from "./dial/settings-dial.ts";
import type { StepDownLimits } from "./dial/step-down.ts";
import { checkedDial } from "./dial.ts";
import { openLink } from "./link.ts";
import { checkOptions, type SessionStoreOptions } from "./options.ts";
import type { RolloutOptions } from "./parts.ts";
import { warnWithoutReplicaSet } from "./replica-set.ts";
import { RolloutStore } from "./store.ts";
import { markSeconds } from "./stores/documents.ts";
import { createToolbox, type Toolbox } from "./tools/toolbox.ts";

export type { StepDownLimits } from "./dial/step-down.ts";
export { createDial, type OwnDial } from "./dial.ts";
export type { SessionStoreOptions } from "./options.ts";
export { type Backfilled, type BackfillOptions, backfillSessions } from "./tools/backfill.ts";
export { type Imported, type ImportOptions, importSessions } from "./tools/import.ts";
export type { Toolbox } from "./tools/toolbox.ts";
export { type Verified, type VerifyOptions, verifySessions } from "./tools/verify.ts";
export type { DialSettings, SessionDial, SessionEvents, SessionStats } from "./types.ts";
export type { CodecOptions, Log, RedisDoor, RedisPlace };

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

async function makeIndexes(db: Db, collection: string, autoRemove: string, log: Log): Promise<void> {
  const context = { db, log, sessionCollection: collection, claim: { willMake: async () => {}, made: async () => [] } };
  if (autoRemove === "native")
    await ensureIndexes(context, collection, [{ keys: { expires: 1 }, expireAfterSeconds: 0 }]);
  await ensureIndexes(context, `${collection}_ended`, [{ keys: { at: 1 }, expireAfterSeconds: markSeconds }]);
  await ensureIndexes(context, "sluice_instances", [{ keys: { at: 1 }, expireAfterSeconds: 60 }]);
}

class AdoptedStore extends RolloutStore implements SessionStore {
  readonly tools: Toolbox;
  readonly #life: Lifecycle;

  constructor(options: RolloutOptions, tools: Toolbox, life: Lifecycle) {
    super(options);
    this.tools = tools;
    this.#life = life;
    life.own("sessions", this, () => super.close());
    const { settings, log } = options;
    life.own("advice", warnWithoutReplicaSet(this.events, settings, log), (leave) => leave());
  }
  override close(): Promise<void> {
    return this.#life.close();
  }
}

function openStore(options: SessionStoreOptions, log: Log, life: Lifecycle): SessionStore {
  const { redis, settings: dial, stepDown = limits, autoRemove = "native" } = options;
  const {
    collectionName: collection = "sessions",
    ttl: ttlSeconds = fourteenDays,
    serverId,
    version = "app",
  } = options;
  const sessions = checkedDial({ mode: "serve" as const, percent: 0, oldServers: true, ...options.dial });
  const clock = systemClock;
  const { db, trouble } = life.own("MongoDB", openLink(options), (it) => it.close());
  const { door, own } = doorFor(redis, log);
  if (own) life.own("Redis", door, (it) => it.close());
  const tools = createToolbox({ ...options, db, door, collection, ttlSeconds });
  life.own(
    "indexes",
    untilDone(() => makeIndexes(db, collection, autoRemove, log), {
      maxMs: 60_000,
      onFailure: (error) =>
        log.warn(
          { err: error },
          "The indexes of the sessions could not be made, so that nothing expires; trying again",
        ),
    }),
    (making) => making.close(),
  );
  const about = { ...options, mongo: { db }, trouble, redis: door, log, collection, ttlSeconds, clock };
  if (dial) return new AdoptedStore({ ...about, settings: dial }, tools, life);

  const defaults = { redisDisabled: false, sessions, caches: {} };
  const settings = createSettingsStore({ db, watch: watchCollection, defaults, clock, log });
  life.own("settings", settings, (it) => it.close());
  // Where the environment has switched it off, it stays so.
  if (own && door.state !== "disabled")
    life.own("the kill switch", followKillSwitch({ settings, door, forced: false, log }), (it) => it.close());
  const store = new AdoptedStore({ ...about, settings: settingsDial(settings) }, tools, life);
  const control = createDialControl({
    ...{ settings, store, db, door, box: tools, version, ttlSeconds, everyMs: reportEveryMs, clock, log },
    serverId: serverId ?? `${hostname()}:${process.pid}`,
    ...(stepDown === false ? {} : { limits: stepDown }),
  });
  life.own("the dial", control, (it) => it.close());
  return store;
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
  checkOptions(options);
  const { log = consoleLog } = options;
  const life = createLifecycle(log);
  try {
    return openStore(options, log, life);
  } catch (error) {
    void life.close();
    throw error;
  }
}
