import { setTimeout as pause } from "node:timers/promises";
import type { ClientSession, Db, DbOptions, MongoClient, MongoClientOptions } from "mongodb";
import mongoose, { type Connection } from "mongoose";
import { UnavailableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { bounded, within } from "./bounded.ts";
import { hostsOf, isRefusal, noStart, unusableUrl } from "./start-error.ts";

const betweenAttemptsMs = 250;

export type MongoTopology = "replicaSet" | "standalone" | "sharded";

export interface MongoLink {
  /** For models. Indexes and collections are never made through it: migrations do that. */
  readonly connection: Connection;
  /** For libraries that want a client; what its `db()` answers is bounded in time as `db` is. */
  readonly client: MongoClient;
  readonly db: Db;
  readonly topology: MongoTopology;
  close(): Promise<void>;
}

export interface MongoOptions {
  url: string;
  /** An operation not answered by then has failed with an error that `isUnavailable` knows. */
  timeoutMs: number;
  poolSize: number;
  log: Log;
  /** The client emits `commandStarted`, `commandSucceeded` and `commandFailed`. */
  monitorCommands?: boolean;
  /** The start fails when nothing answered for so long. */
  startTimeoutMs?: number;
  /** For index builds: how long a single command may take, instead of `timeoutMs`. */
  longestMs?: number;
}

class BoundedClient extends mongoose.mongo.MongoClient {
  readonly #ms: number;
  constructor(url: string, options: MongoClientOptions, ms: number) {
    super(url, options);
    this.#ms = ms;
  }
  override db(name?: string, options?: DbOptions & { session?: ClientSession }): Db {
    return bounded(super.db(name, options), this.#ms);
  }
}

/** The driver's `timeoutMS` does nothing (it mixed up replies), so each stage has its limit here and `bounded` the whole. */
function stages({ timeoutMs, longestMs = timeoutMs, ...options }: MongoOptions): MongoClientOptions {
  return {
    appName: "sluice",
    serverSelectionTimeoutMS: timeoutMs,
    waitQueueTimeoutMS: timeoutMs,
    connectTimeoutMS: timeoutMs,
    // A quiet change stream hears from its server once a second only.
    socketTimeoutMS: Math.max(longestMs, 2_000),
    heartbeatFrequencyMS: 2_000,
    maxPoolSize: options.poolSize,
    readPreference: "primary",
    retryReads: true,
    retryWrites: true,
    writeConcern: { w: "majority", wtimeoutMS: timeoutMs },
    monitorCommands: options.monitorCommands ?? false,
  };
}

function clientFor(options: MongoOptions): MongoClient {
  try {
    return new BoundedClient(options.url, stages(options), options.longestMs ?? options.timeoutMs);
  } catch (error) {
    throw unusableUrl(error);
  }
}

/** Tries for `startTimeoutMs`; a database that is configured and silent ends the start, nothing takes its place. */
async function open(options: MongoOptions): Promise<MongoClient> {
  const { startTimeoutMs = 10_000 } = options;
  const end = performance.now() + startTimeoutMs;
  let heard: unknown;
  for (;;) {
    const client = clientFor(options);
    const listen = ({ failure }: { failure: Error }) => {
      heard = failure;
    };
    client.on("serverHeartbeatFailed", listen);
    try {
      return await within(Math.max(1, end - performance.now()), client.connect());
    } catch (error) {
      await client.close().catch(() => undefined);
      const why = error instanceof UnavailableError ? (heard ?? error) : error;
      if (isRefusal(error) || performance.now() + betweenAttemptsMs > end) throw noStart(client, why, startTimeoutMs);
      await pause(betweenAttemptsMs);
    } finally {
      client.off("serverHeartbeatFailed", listen);
    }
  }
}

async function topologyOf(client: MongoClient): Promise<MongoTopology> {
  const hello = await client.db("admin").command({ hello: 1 });
  if (hello.msg === "isdbgrid") return "sharded";
  return hello.setName ? "replicaSet" : "standalone";
}

/** Opens a link of its own; several in one process do not know of each other. Once open it reconnects for ever. */
export async function connectMongo(options: MongoOptions): Promise<MongoLink> {
  const { log } = options;
  const client = await open(options);
  const connection = mongoose.createConnection();
  // Waiting for a lost server is the driver's, with its limits; mongoose would queue with its own.
  Object.assign(connection.config, { autoIndex: false, autoCreate: false, bufferCommands: false });
  try {
    connection.setClient(client);
    const topology = await topologyOf(client);
    const where = { hosts: hostsOf(client), topology };
    connection.on("disconnected", () =>
      log.warn(where, "MongoDB is lost; requests that need it fail until it is back"),
    );
    connection.on("reconnected", () => log.info(where, "MongoDB is back"));
    return {
      connection,
      client,
      db: client.db(),
      topology,
      async close() {
        connection.removeAllListeners("disconnected");
        await connection.destroy();
      },
    };
  } catch (error) {
    await connection.destroy();
    throw noStart(client, error, options.timeoutMs);
  }
}
