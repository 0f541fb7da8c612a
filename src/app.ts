import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { createChatHttp } from "./chat/routes/index.ts";
import { createChatServices } from "./chat/services/index.ts";
import { createSessionGate } from "./chat/sessions/gate.ts";
import type { Config } from "./config/load.ts";
import type { Secrets } from "./config/secrets.ts";
import { messageOf, StartError } from "./kernel/errors.ts";
import { createLifecycle } from "./kernel/lifecycle.ts";
import type { Log } from "./kernel/log.ts";
import { connectMongo } from "./mongo/connect.ts";
import { migrateAtStart } from "./mongo/migrate.ts";
import { createRealtime } from "./realtime/index.ts";
import { createMongoStore } from "./sessions/stores/mongo.ts";

export interface App {
  readonly port: number;
  /** Sends the sockets away, ends what is open in reverse order; within SHUTDOWN_TIMEOUT. */
  close(): Promise<void>;
}

export interface AppOptions {
  config: Config;
  secrets: Secrets;
  log: Log;
}

/** Browsers' pages that may use this server besides its own. */
export function originsOf(config: Config): readonly string[] {
  if (config.ALLOWED_ORIGINS.length > 0 || config.NODE_ENV === "production") return config.ALLOWED_ORIGINS;
  return ["http://localhost:3000", "http://localhost:3003"];
}

function listen(server: ReturnType<typeof createServer>, { HOST, PORT }: Config): Promise<number> {
  return new Promise((done, fail) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "something else listens there" : messageOf(error);
      fail(new StartError(`Cannot listen on ${HOST}:${PORT} (${why}). Set PORT or HOST to another.`, { cause: error }));
    });
    server.listen(PORT, HOST, () => done((server.address() as AddressInfo).port));
  });
}

/** Wires the rooms together and serves. Whatever was opened is closed again when a later step fails. */
export async function createApp({ config, secrets, log }: AppOptions): Promise<App> {
  const life = createLifecycle(log, { totalMs: config.SHUTDOWN_TIMEOUT });
  try {
    const mongo = life.own(
      "MongoDB",
      await connectMongo({
        url: config.MONGODB_URL,
        timeoutMs: config.MONGODB_TIMEOUT,
        poolSize: config.MONGODB_POOL,
        log,
        monitorCommands: true,
      }),
      (link) => link.close(),
    );
    if (config.MIGRATE_ON_START) await migrateAtStart({ db: mongo.db, log });

    const services = createChatServices({ connection: mongo.connection, config });
    const store = createMongoStore({
      client: mongo.client,
      dbName: mongo.db.databaseName,
      collection: config.SESSION_COLLECTION,
      ttlSeconds: config.TTL_SESSIONS,
    });
    const gate = createSessionGate({ store, db: mongo.db, collection: config.SESSION_COLLECTION });

    let handle: RequestListener = (_req, res) => res.writeHead(503).end();
    const server = life.own(
      "HTTP",
      createServer((req, res) => handle(req, res)),
      (http) => {
        http.closeAllConnections();
        return http.close();
      },
    );
    const origins = originsOf(config);
    const realtime = life.own(
      "sockets",
      createRealtime({
        server,
        config,
        origins,
        services,
        gate,
        cookie: { name: config.SESSION_COOKIE, secrets: secrets.session },
        db: mongo.db,
        log,
      }),
      (sockets) => sockets.close(),
    );
    handle = createChatHttp({
      config,
      origins,
      secrets,
      services,
      gate,
      links: realtime.links,
      limits: {},
      log,
      ahead: [],
      publicDir: join(packageRoot, "public"),
    });
    const port = await listen(server, config);
    return {
      port,
      async close() {
        await realtime.drain(config.DRAIN_TIME);
        await life.close();
      },
    };
  } catch (error) {
    await life.close();
    throw error;
  }
}

// From src/ and from dist/src/ alike.
const packageRoot = resolve(import.meta.dirname, import.meta.dirname.includes("/dist/") ? "../.." : "..");
