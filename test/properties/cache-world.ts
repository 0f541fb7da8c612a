import mongoose from "mongoose";
import type { Declaration } from "../../src/cache/declaration.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { type ChatInstance, startChatInstance } from "../support/chat-instance.ts";
import { gateDoor, gateLoad } from "../support/gate.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { startSentinelGroup } from "../support/sentinel.ts";

export const limit = 20;
/** All faster than in the product. */
const timing = { epochPoll: 25, epochTrust: 400, bumpEvery: 50, doubt: 200 };

/** Where Redis is for the instances, and who holds the data now. */
interface Place {
  readonly env: Record<string, string>;
  current(): RedisServer;
  /** The data's holder dies, and a replica takes over. */
  failOver?(): Promise<void>;
  close(): Promise<void>;
}

async function alone(): Promise<Place> {
  const server = await startRedisServer();
  return { env: { REDIS_URL: server.url }, current: () => server, close: () => server.close() };
}

async function behindSentinels(): Promise<Place> {
  const group = await startSentinelGroup();
  let master = await group.master();
  return {
    env: { REDIS_SENTINEL: group.address },
    current: () => master,
    async failOver() {
      const former = master;
      await former.kill();
      master = await group.newMaster(former);
      await former.start();
      await group.rejoin(former);
    },
    close: () => group.close(),
  };
}

export interface World {
  /** That holds the data now. */
  readonly redis: RedisServer;
  failOver?(): Promise<void>;
  readonly db: mongoose.mongo.Db;
  readonly instances: readonly [ChatInstance, ChatInstance];
  /** How far the clock that stamps messages is off, for the next one. */
  skew: number;
  close(): Promise<void>;
}

export interface WorldOptions {
  mongoUrl: string;
  /** Changes made past the instances are followed. */
  followed: boolean;
  sentinels: boolean;
}

/** Two instances, Redis, and a way straight into MongoDB. */
export async function startWorld({ mongoUrl, followed, sentinels }: WorldOptions): Promise<World> {
  await migrateAtStart({ url: mongoUrl, sessionCollection: "sessions", log: createRecorder() });
  const place = await (sentinels ? behindSentinels() : alone());
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
      env: {
        ...place.env,
        // Where no fault befalls Redis, a busy machine must not be one.
        ...(followed ? {} : { REDIS_DEADLINE: "5s", REDIS_WATCHDOG: "8s" }),
        HISTORY_LIMIT: `${limit}`,
        CACHE_AUDIT: "0",
        CACHE_WAIT: "100ms",
        REDIS_BACKOFF_MAX: "100ms",
      },
      timing,
      clock,
      declared,
      door: (door) => gateDoor(door, life),
    });
  const world: World = {
    get redis() {
      return place.current();
    },
    ...(place.failOver && { failOver: place.failOver }),
    db: client.db(),
    instances: [await start(), await start()],
    skew: 0,
    async close() {
      await Promise.all(world.instances.map((one) => one.close()));
      await client.close();
      await place.close();
    },
  };
  return world;
}
