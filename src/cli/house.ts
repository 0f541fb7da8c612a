import type { Db } from "mongodb";
import type { Config } from "../config/load.ts";
import { systemClock } from "../kernel/clock.ts";
import { UnavailableError } from "../kernel/errors.ts";
import { createLifecycle } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { pause } from "../kernel/pause.ts";
import { connectMongo, type MongoLink } from "../mongo/connect.ts";
import { liveInstances } from "../mongo/instances.ts";
import { createSettingsStore, type FollowedSettings } from "../mongo/settings.ts";
import { bootSettings } from "../mongo/settings-boot.ts";
import type { SettingValues } from "../mongo/settings-document.ts";
import { hostsOf } from "../mongo/start-error.ts";
import type { WatchCollection } from "../mongo/watch.ts";
import { createRedisDoor } from "../redis/door.ts";
import type { DialDesk } from "../sessions/dial/change.ts";
import { createGuards } from "../sessions/dial/guards.ts";
import { createToolbox, type Toolbox } from "../sessions/tools/toolbox.ts";
import { configOf, type Desk, mongoUrlOf } from "./desk.ts";

/** The databases, and what a command does its work with. */
export interface House {
  readonly config: Config;
  readonly db: Db;
  readonly link: MongoLink;
  /** Which database it is, for whoever may mean another one. */
  readonly place: string;
  readonly settings: FollowedSettings;
  /** Redis is connected to when it is asked for first. */
  redis(): Promise<{ box: Toolbox; desk: DialDesk & { clock: typeof systemClock } }>;
}

const connectingMs = 3_000;
const timeoutMs = 10_000;
// Nobody waits for a tool as a visitor waits for a page.
const unhurried = { REDIS_DEADLINE: 2_000, REDIS_WATCHDOG: 5_000 };

/** A command looks once; it follows nothing. */
const still: WatchCollection = () => ({
  live: false,
  reason: "closed",
  lagMs: Number.POSITIVE_INFINITY,
  close: async () => undefined,
});

/** While nobody has changed a setting, servers go by their own environment, which need not be this one. */
async function defaultsOf(db: Db, config: Config): Promise<SettingValues> {
  const boot = bootSettings(config);
  const [first, ...others] = await liveInstances(db);
  if (!first || others.some(({ mode, percent }) => mode !== first.mode || percent !== first.percent)) return boot;
  return { ...boot, sessions: { ...boot.sessions, mode: first.mode, percent: first.percent } };
}

export const noServer = (place: string) => `No server is running: none reports itself in ${place}.`;

/** Opens what is asked for, does the work, and closes everything again. */
export async function inHouse<T>(desk: Desk, work: (house: House) => Promise<T>): Promise<T> {
  const config = configOf(desk);
  // What goes well needs no words beside the answer.
  const log: Log = { ...desk.log, info() {} };
  const life = createLifecycle(log);
  try {
    const mongo = await connectMongo({ url: mongoUrlOf(config), timeoutMs, poolSize: 10, log });
    life.own("MongoDB", mongo, (link) => link.close());
    const { db } = mongo;
    const defaults = await defaultsOf(db, config);
    const settings = createSettingsStore({ db, watch: still, defaults, clock: systemClock, log });
    life.own("settings", settings, (store) => store.close());
    if (!(await settings.loaded))
      throw new UnavailableError("The settings in MongoDB could not be read; run this again when it answers.");

    let opened: ReturnType<House["redis"]> | undefined;
    async function openRedis() {
      const door = life.own("Redis", createRedisDoor({ config: { ...config, ...unhurried }, log }), (it) => it.close());
      if (settings.current.redisDisabled) await door.disable(true, "the kill switch is on");
      door.start();
      for (let waited = 0; door.state === "recovering" && waited < connectingMs; waited += 20)
        await pause(20, desk.signal);
      const { SESSION_COLLECTION: collection, SESSION_PREFIX: prefix, TTL_SESSIONS: ttlSeconds } = config;
      const [aliasSalt] = config.SESSION_SECRET.split(",").filter(Boolean);
      const box = createToolbox({ db, door, collection, prefix, ttlSeconds, ...(aliasSalt && { aliasSalt }) });
      return { box, desk: { settings, check: createGuards({ db, box }), clock: systemClock } };
    }
    return await work({
      config,
      db,
      link: mongo,
      place: `the database "${db.databaseName}" at ${hostsOf(mongo.client)}`,
      settings,
      redis() {
        opened ??= openRedis();
        return opened;
      },
    });
  } finally {
    await life.close();
  }
}
