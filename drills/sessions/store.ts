import type { MongoClient } from "mongodb";
import { loadConfig } from "../../src/config/load.ts";
import type { Log } from "../../src/kernel/log.ts";
import { createRedisDoor } from "../../src/redis/door.ts";
import { createDial } from "../../src/sessions/dial.ts";
import { rolloutStore } from "../../src/sessions/store.ts";
import { callsOf, type StoreCalls } from "../../test/support/store-calls.ts";

/** The product's own store, for whoever makes sessions as a server would. */
export async function withStore<T>(
  { client, redisUrl = "", log }: { client: MongoClient; redisUrl?: string; log: Log },
  work: (calls: StoreCalls) => Promise<T>,
): Promise<T> {
  const redis = createRedisDoor({ config: loadConfig({ REDIS_URL: redisUrl }), log });
  const store = rolloutStore({ mongo: { client }, redis, settings: createDial({ mode: "serve", percent: 0 }), log });
  try {
    return await work(callsOf(store));
  } finally {
    await store.close();
    await redis.close();
  }
}
