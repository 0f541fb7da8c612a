import mongoose from "mongoose";
import { loadConfig } from "../../src/config/load.ts";
import type { Log } from "../../src/kernel/log.ts";
import { createRedisDoor } from "../../src/redis/door.ts";
import type { RedisDoor } from "../../src/redis/types.ts";
import { createDial, type OwnDial } from "../../src/sessions/dial.ts";
import type { RolloutOptions } from "../../src/sessions/parts.ts";
import { type RolloutStore, rolloutStore } from "../../src/sessions/store.ts";
import type { DialSettings } from "../../src/sessions/types.ts";
import { createRecorder } from "./recorder.ts";
import { callsOf, type StoreCalls } from "./store-calls.ts";
import { until } from "./until.ts";

export type Db = mongoose.mongo.Db;

/** One instance: a store with its own door to Redis, its own link to MongoDB and its own dial. */
export interface Instance {
  readonly store: RolloutStore;
  readonly calls: StoreCalls;
  readonly door: RedisDoor;
  readonly dial: OwnDial;
  readonly client: mongoose.mongo.MongoClient;
  readonly log: ReturnType<typeof createRecorder>;
  /** What was counted of an event, by one of its fields. */
  counts(event: "operation" | "fallback" | "compared" | "followed", field: string): Record<string, number>;
  /** Resolves when the bucket is read from Redis. */
  trusting(): Promise<void>;
  close(): Promise<void>;
}

export interface InstanceOptions extends Partial<Omit<RolloutOptions, "settings" | "mongo" | "redis">> {
  mongoUrl: string;
  redisUrl: string;
  dial?: Partial<DialSettings>;
  /** Of the door, as in the environment. */
  env?: Record<string, string>;
  wrap?: { door?: (door: RedisDoor) => RedisDoor; db?: (db: mongoose.mongo.Db) => mongoose.mongo.Db };
}

export function redisDoor(url: string, log: Log, env: Record<string, string> = {}): RedisDoor {
  return createRedisDoor({ config: loadConfig({ REDIS_URL: url, ...env }), log });
}

export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const { mongoUrl, redisUrl, dial: first, env, wrap, ...rest } = options;
  const log = createRecorder();
  const door = redisDoor(redisUrl, log, env);
  const client = new mongoose.mongo.MongoClient(mongoUrl, { serverSelectionTimeoutMS: 2_000 });
  const dial = createDial({ mode: "serve", percent: 100, ...first });
  const db = client.db();
  const store = rolloutStore({
    log,
    ...rest,
    mongo: { db: wrap?.db?.(db) ?? db },
    redis: wrap?.door?.(door) ?? door,
    settings: dial,
  });
  const tally: Record<string, Record<string, number>> = {};
  const count = (event: string, value: unknown) => {
    tally[event] ??= {};
    tally[event][String(value)] = (tally[event][String(value)] ?? 0) + 1;
  };
  store.events.on("operation", ({ op, store: from, result }) => {
    count("operation.result", `${op} ${from} ${result}`);
  });
  store.events.on("fallback", ({ reason }) => count("fallback.reason", reason));
  store.events.on("compared", ({ result }) => count("compared.result", result));
  store.events.on("followed", ({ change, ok }) => count("followed.change", ok ? change : `${change} failed`));
  door.start();
  return {
    store,
    calls: callsOf(store),
    door,
    dial,
    client,
    log,
    counts: (event, field) => ({ ...tally[`${event}.${field}`] }),
    async trusting() {
      await until(() => store.parts.trust.doubt() === undefined, { describe: () => store.stats() });
    },
    async close() {
      await store.close();
      await door.close();
      await client.close(true);
    },
  };
}
