import mongoose from "mongoose";
import type { Declaration } from "../../src/cache/declaration.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { type ChatInstance, startChatInstance } from "../support/chat-instance.ts";
import { gateDoor, gateLoad } from "../support/gate.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";

export const limit = 20;
/** All faster than in the product. */
const timing = { epochPoll: 25, epochTrust: 400, bumpEvery: 50, doubt: 200 };

export interface World {
  readonly redis: RedisServer;
  readonly db: mongoose.mongo.Db;
  readonly instances: readonly [ChatInstance, ChatInstance];
  /** How far the clock that stamps messages is off, for the next one. */
  skew: number;
  close(): Promise<void>;
}

/** Two instances, Redis, and a way straight into MongoDB. `followed`: changes made past the instances are followed. */
export async function startWorld(mongoUrl: string, followed: boolean): Promise<World> {
  await migrateAtStart({ url: mongoUrl, sessionCollection: "sessions", log: createRecorder() });
  const redis = await startRedisServer();
  const client = await new mongoose.mongo.MongoClient(mongoUrl).connect();
  const life = { dead: false };
  const clock = { now: () => Date.now() + world.skew };
  function declared<Entry, Slice>({ follow, load, ...rest }: Declaration<Entry, Slice>): Declaration<Entry, Slice> {
    const gated = (key: string) => gateLoad(life, `load ${rest.name}`, () => load(key));
    return { ...rest, load: gated, ...(followed && follow ? { follow } : {}) };
  }
  const start = () =>
    startChatInstance({
      mongoUrl,
      redisUrl: redis.url,
      env: { HISTORY_LIMIT: `${limit}`, CACHE_WAIT: "100ms", REDIS_BACKOFF_MAX: "100ms" },
      timing,
      clock,
      declared,
      door: (door) => gateDoor(door, life),
    });
  const world: World = {
    redis,
    db: client.db(),
    instances: [await start(), await start()],
    skew: 0,
    async close() {
      await Promise.all(world.instances.map((one) => one.close()));
      await client.close();
      await redis.close();
    },
  };
  return world;
}
