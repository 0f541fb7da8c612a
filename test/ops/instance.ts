import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express, { Router } from "express";
import { loadConfig } from "../../src/config/load.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createLifecycle } from "../../src/kernel/lifecycle.ts";
import { connectMongo } from "../../src/mongo/connect.ts";
import { createMongoMonitor } from "../../src/mongo/monitor.ts";
import { createMongoProbe } from "../../src/mongo/probe.ts";
import { createSettingsStore } from "../../src/mongo/settings.ts";
import { bootSettings } from "../../src/mongo/settings-boot.ts";
import { watchCollection } from "../../src/mongo/watch.ts";
import { createOps, type Phase, serverIdOf } from "../../src/ops/index.ts";
import { createRedisDoor } from "../../src/redis/door.ts";
import { followKillSwitch } from "../../src/redis/kill-switch.ts";
import { createBrowser } from "../support/http.ts";
import { figuresOf } from "../support/metrics.ts";
import { createRecorder } from "../support/recorder.ts";

/** The operating side of the chat on real databases, with a route or two where the chat would be. */
export async function startInstance(env: Record<string, string>) {
  const config = loadConfig({ NODE_ENV: "test", SERVER_ID: "one", ...env });
  const log = createRecorder();
  const life = createLifecycle(log);
  const link = await connectMongo({
    url: config.MONGODB_URL,
    timeoutMs: config.MONGODB_TIMEOUT,
    poolSize: 10,
    monitorCommands: true,
    log,
  });
  const mongo = life.own("MongoDB", link, (open) => open.close());
  const door = life.own("Redis", createRedisDoor({ config, log }), (open) => open.close());
  const settings = life.own(
    "settings",
    createSettingsStore({
      db: mongo.db,
      watch: watchCollection,
      defaults: bootSettings(config),
      clock: systemClock,
      log,
      pollMs: 250,
    }),
    (open) => open.close(),
  );
  const probe = life.own("probe", createMongoProbe({ db: mongo.db, clock: systemClock }), (open) => open.close());
  const monitor = life.own("monitor", createMongoMonitor(mongo.client), (open) => open.close());
  const state: { phase: Phase } = { phase: "serving" };
  await settings.loaded;
  const forced = config.DISABLE_REDIS;
  const killSwitch = life.own("kill switch", followKillSwitch({ settings, door, forced, log }), (open) => open.close());
  const ops = life.own(
    "ops",
    createOps({
      config,
      serverId: serverIdOf(config),
      version: "1.2.3",
      phase: () => state.phase,
      door,
      killSwitch,
      mongo: { probe, monitor },
      settings,
      clock: systemClock,
      log,
    }),
    (open) => open.close(),
  );
  ops.watchStream("settings", settings.stream);
  door.start();

  const app = express();
  app.use(ops.httpTimer, ops.handler);
  const api = Router();
  const admin = Router();
  admin.post("/users/:id/ban", (_req, res) => void res.json({}));
  admin.get("/broken", () => {
    throw new Error("broken");
  });
  api.get("/channels", (_req, res) => void res.set("X-Cache", "redis").json([]));
  api.use("/admin", admin);
  app.use("/api", api);
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(500).json({});
  });
  const server = life.own("HTTP", createServer(app), (http) => {
    http.closeAllConnections();
    http.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    log,
    door,
    settings,
    ops,
    killSwitch,
    db: mongo.db,
    state,
    get: (path: string, init?: RequestInit) => fetch(url + path, init),
    async health(path: string) {
      const { status: code, headers, body } = await createBrowser(url).get(path);
      return { code, headers, body };
    },
    /** The value of one series, by name and labels as written on the page. */
    async metric(series: string) {
      return (await figuresOf(url)).of(series);
    },
    close: () => life.close(),
  };
}

export type Instance = Awaited<ReturnType<typeof startInstance>>;
