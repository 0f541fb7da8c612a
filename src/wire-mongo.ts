import type { Config } from "./config/load.ts";
import type { Log } from "./kernel/log.ts";
import { howToReplicate } from "./kernel/replica-set.ts";
import { connectMongo, type MongoLink } from "./mongo/connect.ts";

/** Opens MongoDB for the chat, and says at once what a server without a replica set takes from it. */
export async function wireMongo(config: Config, log: Log): Promise<MongoLink> {
  const link = await connectMongo({
    url: config.MONGODB_URL,
    timeoutMs: config.MONGODB_TIMEOUT,
    poolSize: config.MONGODB_POOL,
    log,
    monitorCommands: true,
  });
  if (link.topology === "standalone")
    log.warn(
      {},
      "MongoDB is a single server without a replica set: there is no change stream, no session is read from Redis, " +
        `and every other copy is checked at every read. ${howToReplicate}`,
    );
  return link;
}
