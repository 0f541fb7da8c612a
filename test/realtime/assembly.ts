import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MongoStore } from "connect-mongo";
import type { SessionData } from "express-session";
import { createFeeds } from "../../src/chat/services/feeds.ts";
import { createChatServices } from "../../src/chat/services/index.ts";
import type { ChatServices } from "../../src/chat/services/types.ts";
import { createSessionGate } from "../../src/chat/sessions/gate.ts";
import { createStandings } from "../../src/chat/standings.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Limiter } from "../../src/kernel/limiter.ts";
import { connectMongo } from "../../src/mongo/connect.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { shareStreams } from "../../src/mongo/watch-shared.ts";
import { createRealtime } from "../../src/realtime/index.ts";
import type { RedisDoor } from "../../src/redis/types.ts";
import { quick } from "../support/chat.ts";
import { createRecorder } from "../support/recorder.ts";
import { createEar, type Ear, open } from "../support/sockets.ts";

const secret = "a secret of the test";

export interface AssemblyOptions {
  mongoUrl: string;
  env?: Record<string, string>;
  /** Real services, with what the test puts round them. */
  around?: (services: ChatServices) => ChatServices;
  /** There are other instances, reached through this and MongoDB. */
  door?: RedisDoor;
  limiter?: Limiter;
}

/** The room alone on an HTTP server of its own: real MongoDB, real services, real sockets, no routes. */
export async function assemble({ mongoUrl, env = {}, around = (s) => s, door, limiter }: AssemblyOptions) {
  const config = loadConfig({ ...quick, MONGODB_URL: mongoUrl, ...env });
  const log = createRecorder();
  const timeoutMs = config.MONGODB_TIMEOUT;
  const mongo = await connectMongo({ url: mongoUrl, timeoutMs, poolSize: 20, log });
  await migrateAtStart({ url: mongoUrl, sessionCollection: config.SESSION_COLLECTION, log });
  const plain = createChatServices({ connection: mongo.connection, config });
  const collection = config.SESSION_COLLECTION;
  const store = MongoStore.create({
    client: mongo.client,
    dbName: mongo.db.databaseName,
    collectionName: collection,
    autoRemove: "disabled",
  });
  const gate = createSessionGate({ store, db: mongo.db, collection });
  const server = createServer();
  const services = around(plain);
  const feeds = door && createFeeds({ db: mongo.db, watch: shareStreams(), log });
  const standings = createStandings({ users: services.users, feeds, longestMs: 300_000 });
  const realtime = createRealtime({
    server,
    config,
    origins: [],
    services,
    standings,
    gate,
    cookie: { name: config.SESSION_COOKIE, secrets: [secret] },
    db: mongo.db,
    log,
    ...(door && feeds ? { others: { door, feeds } } : {}),
    ...(limiter ? { limiter } : {}),
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ears: Ear[] = [];

  return {
    url,
    realtime,
    services: plain,
    db: mongo.db,
    log,
    async user(nickname: string) {
      return plain.accounts.register({ nickname, email: `${nickname}@example.com`, password: "correct horse" });
    },
    /** A session as a login makes it; `handle` null: one of the old server. */
    async session(user: { id: string; nickname: string }, handle: string | null = randomBytes(12).toString("hex")) {
      const sid = randomBytes(16).toString("hex");
      const csrfToken = randomBytes(32).toString("hex");
      const { id: userId, nickname } = user;
      const cookie = { originalMaxAge: 86_400_000, expires: new Date(Date.now() + 86_400_000), path: "/" };
      const about = {
        authenticated: true,
        userId,
        nickname,
        role: "member",
        csrfToken,
        loginTime: new Date().toISOString(),
      };
      const session = { cookie, ...about, ...(handle ? { handle } : {}) } as unknown as SessionData;
      await new Promise<void>((done, fail) => {
        store.set(sid, session, (error) => (error ? fail(error) : done()));
      });
      if (handle) await gate.bind(handle, sid, userId, cookie.expires);
      const signature = createHmac("sha256", secret).update(sid).digest("base64").replace(/=+$/, "");
      return { cookie: `chatSession=${encodeURIComponent(`s:${sid}.${signature}`)}`, csrfToken, handle, sid };
    },
    async tab({ cookie, csrfToken }: { cookie: string; csrfToken: string }): Promise<Ear> {
      const ear = createEar(url, { cookie, csrfToken });
      ears.push(ear);
      const answer = await open(ear);
      if (answer !== "connected") throw new Error(`refused: ${answer}`);
      return ear;
    },
    async close() {
      for (const ear of ears) ear.close();
      await realtime.close();
      await standings.close();
      server.closeAllConnections();
      server.close();
      store.removeAllListeners();
      await mongo.close();
    },
  };
}

export type Assembly = Awaited<ReturnType<typeof assemble>>;
