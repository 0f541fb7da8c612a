import mongoose from "mongoose";
import { withMongo } from "../../drills/support/mongo.ts";
import { startRedisServer } from "../../test/support/redis-server.ts";

async function mongoVersion(): Promise<string> {
  return withMongo(async (url) => {
    const client = await mongoose.mongo.MongoClient.connect(url);
    return client
      .db()
      .admin()
      .buildInfo()
      .then(({ version }) => version)
      .finally(() => client.close());
  });
}

async function redisVersion(): Promise<string> {
  const redis = await startRedisServer();
  return redis.info("redis_version").finally(() => redis.close());
}

/** Asked of the servers that the runs use, started as the runs start them. */
export async function databasesLine(): Promise<string> {
  const unknown = () => "of unknown version";
  const [redis, mongo] = await Promise.all([redisVersion().catch(unknown), mongoVersion().catch(unknown)]);
  return `Redis ${redis}, MongoDB ${mongo}`;
}
