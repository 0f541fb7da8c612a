import { RedisStore } from "connect-redis";
import { MemoryStore } from "express-session";
import mongoose from "mongoose";
import { createClient } from "redis";
import { createMongoStore } from "../../src/sessions/stores/mongo.ts";
import { sessionStoreContract } from "../contract/session-store.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { startRedisServer } from "../support/redis-server.ts";

/** The suite is checked on stores that everybody knows, before it judges ours. */

sessionStoreContract("MemoryStore", async () => ({ store: new MemoryStore(), close: async () => {} }));

sessionStoreContract(
  "connect-mongo",
  async () => {
    const url = mongoUrl("stock-stores");
    const client = await mongoose.mongo.MongoClient.connect(url);
    const dbName = client.db().databaseName;
    return {
      store: createMongoStore({ client, dbName, collection: "sessions", ttlSeconds: 86_400 }),
      async close() {
        await client.close();
        await dropDatabase(url);
      },
    };
  },
  { callsTwice: true, countsExpired: true, touchNeedsSession: true },
);

sessionStoreContract(
  "connect-redis",
  async () => {
    const server = await startRedisServer();
    const client = createClient({ url: server.url });
    await client.connect();
    return {
      store: new RedisStore({ client }),
      async close() {
        client.destroy();
        await server.close();
      },
    };
  },
  { callsTwice: true, lateMs: 1_000 },
);
