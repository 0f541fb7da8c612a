import type { Db, MongoClient, ServerHeartbeatFailedEvent } from "mongodb";
import mongoose from "mongoose";
import { SluiceError } from "../kernel/errors.ts";
import { ourDb, ourDbOf } from "../mongo/given.ts";
import { lasting } from "../mongo/lasting.ts";
import type { SessionStoreOptions } from "./options.ts";
import { operationMsOf } from "./parts.ts";

/** The way to the sessions in MongoDB. */
export interface Link {
  readonly db: Db;
  /** Why MongoDB gives no answer, as the driver has found out; undefined while it gives one. */
  trouble(): unknown;
  /** What was given stays open. */
  close(): Promise<void>;
}

interface Own {
  db: Db;
  client?: MongoClient;
}

function databaseOf({ mongoUrl, client, db, dbName, mongoOptions, deadlines }: SessionStoreOptions): Own {
  const given = [mongoUrl, client, db].filter((one) => one !== undefined).length;
  if (given !== 1)
    throw new SluiceError("SESSION_OPTIONS", `mongoUrl, client and db: ${given} of them are given; give one of them.`);
  if (db) return { db: ourDb(db) };
  if (client) return { db: ourDbOf(client, dbName) };
  // Before the store gives up itself, so that who asked is told what the driver knows.
  const serverSelectionTimeoutMS = 0.75 * operationMsOf(deadlines);
  const own = new mongoose.mongo.MongoClient(mongoUrl ?? "", { serverSelectionTimeoutMS, ...mongoOptions });
  return { db: ourDbOf(own, dbName), client: own };
}

export function openLink(options: SessionStoreOptions): Link {
  const { db, client } = databaseOf(options);
  let trouble: unknown;

  const onFailure = ({ failure }: ServerHeartbeatFailedEvent) => {
    trouble = failure;
  };
  const onSuccess = () => {
    trouble = undefined;
  };
  const own =
    client &&
    lasting(client, (error) => {
      trouble ??= error;
    });
  const source = client ?? db.client;
  source.on("serverHeartbeatFailed", onFailure).on("serverHeartbeatSucceeded", onSuccess);

  return {
    db,
    trouble: () => trouble,
    async close() {
      source.off("serverHeartbeatFailed", onFailure).off("serverHeartbeatSucceeded", onSuccess);
      await own?.close();
    },
  };
}
