import { afterAll, describe } from "vitest";
import { sessionStoreContract } from "../contract/session-store.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { freePort } from "../support/redis-process.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { startInstance } from "../support/session-store.ts";

describe("the rollout store", () => {
  const mongo = mongoUrl("rollout-contract");
  const servers: RedisServer[] = [];

  async function server(): Promise<RedisServer> {
    const started = await startRedisServer();
    servers.push(started);
    return started;
  }
  afterAll(async () => {
    for (const one of servers) {
      one.thaw();
      await one.close();
    }
    await dropDatabase(mongo);
  });

  for (const percent of [0, 50, 100])
    sessionStoreContract(`rollout at ${percent} %`, async () => {
      const redis = await server();
      const collection = `sessions_${percent}`;
      const one = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, collection, dial: { percent } });
      await one.trusting();
      return one;
    });

  sessionStoreContract("rollout at 100 %, Redis dead from the start", async () => {
    const redisUrl = `redis://127.0.0.1:${await freePort()}`;
    return startInstance({ mongoUrl: mongo, redisUrl, collection: "sessions_dead" });
  });

  sessionStoreContract("rollout at 100 %, Redis frozen", async () => {
    const redis = await server();
    const one = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, collection: "sessions_frozen" });
    await one.trusting();
    redis.freeze();
    return one;
  });
});
