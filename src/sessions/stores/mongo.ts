import { MongoStore } from "connect-mongo";
import type { Store } from "express-session";
import type { MongoClient } from "mongodb";

interface Options {
  client: MongoClient;
  dbName: string;
  collection: string;
  ttlSeconds: number;
}

/** The old server's store, in its own format; the index that removes the expired is a migration's. */
export function createMongoStore({ client, dbName, collection, ttlSeconds }: Options): Store {
  return MongoStore.create({
    client,
    dbName,
    collectionName: collection,
    ttl: ttlSeconds,
    autoRemove: "disabled",
    writeOperationOptions: { w: "majority" },
  });
}
