import type {
  Db,
  MongoClient,
  ServerClosedEvent,
  ServerHeartbeatFailedEvent,
  ServerHeartbeatSucceededEvent,
} from "mongodb";
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
  /** What is wrong with each server, by its address; undefined: it answers. */
  const servers = new Map<string, unknown>();
  let unreached: unknown;

  const onFailure = ({ connectionId, failure }: ServerHeartbeatFailedEvent) => void servers.set(connectionId, failure);
  const onSuccess = ({ connectionId }: ServerHeartbeatSucceededEvent) => void servers.set(connectionId, undefined);
  /** It is no member any more: nothing of it will fail. */
  const onClosed = ({ address }: ServerClosedEvent) => void servers.delete(address);
  const own =
    client &&
    lasting(client, (error) => {
      unreached ??= error;
    });
  const source = client ?? db.client;
  source.on("serverHeartbeatFailed", onFailure).on("serverHeartbeatSucceeded", onSuccess).on("serverClosed", onClosed);

  return {
    db,
    trouble() {
      const failures = [...servers.values()];
      // While one of them answers, it is not known that another's silence is the cause.
      return failures.includes(undefined) ? undefined : (failures[0] ?? unreached);
    },
    async close() {
      source.off("serverHeartbeatFailed", onFailure).off("serverHeartbeatSucceeded", onSuccess);
      source.off("serverClosed", onClosed);
      await own?.close();
    },
  };
}
