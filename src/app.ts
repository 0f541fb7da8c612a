import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { join, resolve } from "node:path";
import type { RequestHandler } from "express";
import { assembleCaches } from "./chat/caches/assemble.ts";
import { createChatAnswers } from "./chat/hot/answers.ts";
import { createChatHttp } from "./chat/routes/index.ts";
import type { DoorLimits } from "./chat/routes/limits.ts";
import { createFeeds } from "./chat/services/feeds.ts";
import { createChatServices } from "./chat/services/index.ts";
import { createSessionGate } from "./chat/sessions/gate.ts";
import { createStandings } from "./chat/standings.ts";
import type { Config } from "./config/load.ts";
import type { Secrets } from "./config/secrets.ts";
import { withBudget } from "./kernel/budget.ts";
import { systemClock } from "./kernel/clock.ts";
import { createLifecycle } from "./kernel/lifecycle.ts";
import type { Limiter } from "./kernel/limiter.ts";
import { consoleLog, type Log } from "./kernel/log.ts";
import { closeHttp, listen } from "./listen.ts";
import { createEpochLooks } from "./mongo/epoch-looks.ts";
import { liveInstances } from "./mongo/instances.ts";
import { migrateAtStart } from "./mongo/migrate.ts";
import { createMongoMonitor } from "./mongo/monitor.ts";
import { createMongoProbe } from "./mongo/probe.ts";
import { createSettingsStore } from "./mongo/settings.ts";
import { bootSettings, sayWhoseDial } from "./mongo/settings-boot.ts";
import { watchCollection } from "./mongo/watch.ts";
import { shareStreams } from "./mongo/watch-shared.ts";
import { createFigureCounter, createOps, type Phase, serverIdOf } from "./ops/index.ts";
import { memoryMetrics } from "./ops/metrics/memory.ts";
import { createRealtime } from "./realtime/index.ts";
import { createRedisDoor } from "./redis/door.ts";
import { followKillSwitch } from "./redis/kill-switch.ts";
import { createLimiter } from "./redis/limiter.ts";
import type { RedisDoor } from "./redis/types.ts";
import { createDialControl } from "./sessions/dial/control.ts";
import { settingsDial } from "./sessions/dial/settings-dial.ts";
import type { StepDownLimits } from "./sessions/dial/step-down.ts";
import { rolloutStore } from "./sessions/store.ts";
import { createToolbox } from "./sessions/tools/toolbox.ts";
import { wireConsole } from "./wire-console.ts";
import { lagOf, wireHot, wireMemory } from "./wire-memory.ts";
import { wireMongo } from "./wire-mongo.ts";

export interface App {
  readonly port: number;
  /** Where the console lets whoever sits at this machine in; absent when its token is configured, or there is none. */
  readonly consolePath?: string;
  /** Sends the sockets away, then ends what is open in reverse order; within SHUTDOWN_TIMEOUT. */
  close(): Promise<void>;
}

export interface AppOptions {
  config: Config;
  secrets: Secrets;
  /** By default warnings and errors go to the console. */
  log?: Log;
}

// From src/ and from dist/src/ alike.
const packageRoot = resolve(import.meta.dirname, import.meta.dirname.endsWith(join("dist", "src")) ? "../.." : "..");

function versionOfPackage(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return version;
}

/** Browsers' pages that may use this server besides its own. */
function originsOf(config: Config): readonly string[] {
  if (config.ALLOWED_ORIGINS.length > 0 || config.NODE_ENV === "production") return config.ALLOWED_ORIGINS;
  return ["http://localhost:3000", "http://localhost:3003"];
}

function limitsOf(config: Config, door: RedisDoor): DoorLimits & { events?: Limiter } {
  if (!config.RATE_LIMITS) return {};
  return {
    api: createLimiter({ name: "api", limit: config.RATE_LIMIT_API, door }),
    register: createLimiter({ name: "register", limit: config.RATE_LIMIT_REGISTER, door }),
    login: createLimiter({ name: "login", limit: config.RATE_LIMIT_LOGIN, door }),
    loginFailures: createLimiter({ name: "failures", limit: config.RATE_LIMIT_LOGIN_FAILURES, door }),
    channels: createLimiter({ name: "channels", limit: config.RATE_LIMIT_CHANNELS, door }),
    events: createLimiter({ name: "events", limit: config.RATE_LIMIT_EVENTS, door }),
  };
}

function stepDownOf(config: Config): { limits?: StepDownLimits } {
  if (!config.SESSION_STEP_DOWN) return {};
  const { SESSION_STEP_DOWN_WINDOW: windowMs, SESSION_STEP_DOWN_LATENCY: latencyMs } = config;
  const { SESSION_STEP_DOWN_ERRORS: errors, SESSION_STEP_DOWN_MISSING: missing } = config;
  return { limits: { windowMs, latencyMs, errors, missing } };
}

/** Wires the rooms together and serves. Whatever was opened is closed again when a later step fails. */
export async function createApp({ config, secrets, log = consoleLog }: AppOptions): Promise<App> {
  const life = createLifecycle(log, { totalMs: config.SHUTDOWN_TIMEOUT });
  const clock = systemClock;
  const publicDir = join(packageRoot, "public");
  let phase: Phase = "starting";

  try {
    const mongo = life.own("MongoDB", await wireMongo(config, log), (link) => link.close());
    if (config.MIGRATE_ON_START)
      await migrateAtStart({ url: config.MONGODB_URL, sessionCollection: config.SESSION_COLLECTION, log });

    const door = life.own("Redis", createRedisDoor({ config, log }), (redis) => redis.close());
    const defaults = bootSettings(config);
    const watch = shareStreams();
    const settings = createSettingsStore({ db: mongo.db, watch: watchCollection, defaults, clock, log });
    life.own("settings", settings, (store) => store.close());
    await settings.loaded;
    sayWhoseDial(settings, log);
    const forced = config.DISABLE_REDIS;
    const killSwitch = life.own("the kill switch", followKillSwitch({ settings, door, forced, log }), (it) =>
      it.close(),
    );

    const serverId = serverIdOf(config);
    const version = versionOfPackage();
    const probe = life.own("the probe of MongoDB", createMongoProbe({ db: mongo.db, clock }), (ping) => ping.close());
    const monitor = createMongoMonitor(mongo.client);
    const ops = createOps({
      config,
      serverId,
      version,
      phase: () => phase,
      door,
      killSwitch,
      mongo: { probe, monitor },
      settings,
      clock,
      log,
    });
    life.own("ops", ops, (room) => room.close());
    ops.watchStream("settings", settings.stream);

    const { db } = mongo;
    const looks = createEpochLooks(db);
    const { SESSION_COLLECTION: collection, SESSION_PREFIX: prefix, TTL_SESSIONS: ttlSeconds } = config;
    const where = { db, door, collection, prefix, ttlSeconds, clock };
    const store = rolloutStore({
      ...where,
      mongo,
      redis: door,
      settings: settingsDial(settings),
      looks,
      log,
      followAlways: true,
    });
    life.own("sessions", store, (sessions) => sessions.close());
    const box = createToolbox({ ...where, aliasSalt: secrets.session[0] ?? "" });
    const counter = life.own("figures", createFigureCounter(), (figures) => figures.close());
    const about = {
      serverId,
      version,
      everyMs: config.INSTANCE_REPORT,
      figures: counter.read,
      amiss: ops.amiss,
      ...stepDownOf(config),
    };
    const dial = life.own("the dial", createDialControl({ ...where, ...about, settings, store, box, log }), (control) =>
      control.close(),
    );
    const differs = async () => (await dial.status()).differs;
    ops.watchSessions({ events: store.events, stats: () => store.stats(), steps: dial.events, differs });

    const { topology } = await door.health();
    const { connection } = mongo;
    const assembled =
      topology === "none"
        ? undefined
        : life.own(
            "caches",
            assembleCaches({ config, connection, db, looks, door, settings, serverId, watch, log }),
            (it) => it.close(),
          );
    const { room: caches, caches: chatCaches } = assembled ?? {};
    if (caches) ops.watchCaches(caches);
    counter.watch({ sessions: store.events, caches, redis: door.events, mongo: monitor.events });
    const memory = caches && life.own("the caches' memory", wireMemory(config, caches, door), (near) => near.close());
    if (caches) life.own("what is in doubt", caches, (it) => it.finish());
    const plainServices = createChatServices({
      connection: mongo.connection,
      config,
      log,
      ...(chatCaches ? { caches: chatCaches } : {}),
    });
    const feeds = createFeeds({ db, watch, log });
    const standings = createStandings({
      users: plainServices.users,
      feeds: topology === "none" ? undefined : feeds,
      longestMs: config.TTL_USERS * 1_000,
      prompt: () => memory?.bus.well === true,
    });
    life.own("standings", standings, (it) => it.close());
    if (standings.stream) ops.watchStream("standings", standings.stream);
    const hot =
      memory &&
      life.own("hot answers", wireHot({ config, memory, store, db, watch, feeds, standings, log }), (side) =>
        side.close(),
      );
    if (hot) ops.watchStream("access", hot.access);
    const services = hot?.services(plainServices) ?? plainServices;
    const answers = createChatAnswers({ config, services, caches: chatCaches, memory });
    life.own("emoji", services.emoji, (emoji) => emoji.close());
    door.start();
    const plainGate = createSessionGate({ store, db, collection: config.SESSION_COLLECTION });
    const gate = hot?.gate(plainGate) ?? plainGate;
    const { events: eventLimiter, ...limits } = limitsOf(config, door);
    const origins = originsOf(config);

    // Socket.IO takes its own path from the server first, so it must be there before the routes that speak to it.
    let handle: RequestListener = (_req, res) => res.writeHead(503).end();
    const server = life.own(
      "HTTP",
      createServer((req, res) => handle(req, res)),
      closeHttp,
    );
    const alone = async () => (await liveInstances(db)).length <= 1;
    const realtime = createRealtime({
      server,
      config,
      origins,
      services,
      standings,
      gate,
      cookie: { name: config.SESSION_COOKIE, secrets: secrets.session },
      db: mongo.db,
      oldServers: () => settings.current.sessions.oldServers,
      log,
      ...(topology === "none" ? {} : { others: { door, feeds, alone } }),
      ...(eventLimiter ? { limiter: eventLimiter } : {}),
    });
    life.own("sockets", realtime, (sockets) => sockets.close());
    if (memory) {
      ops.checks.add("bus:lag", () => lagOf(memory, door));
      ops.metrics.add(memoryMetrics(memory));
    }
    ops.watchSockets(realtime);
    ops.watchPresence(() => realtime.stats().presence);
    for (const [name, stream] of realtime.streams) ops.watchStream(name, stream);
    store.events.on("ended", ({ id }) => void realtime.sessionEnded(id));

    const underBudget: RequestHandler = (_req, _res, next) => withBudget(next);
    const long = createChatHttp({
      config,
      origins,
      secrets,
      services,
      standings,
      gate,
      links: realtime.links,
      online: () => realtime.onlineUsers(),
      limits,
      answers,
      ...(hot && { verified: hot.verified }),
      log,
      ahead: [ops.httpTimer, ops.handler, underBudget],
      publicDir,
    });
    const chat =
      hot?.serve({ config, origins, answers, services, limiter: limits.api, timer: ops.httpTimer, next: long }) ?? long;
    const parts = { config, secrets, about, publicDir, settings, dial, box, caches, door, killSwitch, log };
    const { console, way } = wireConsole(parts);
    life.own("the console", console, (it) => it.close());
    handle = (req, res) => console.handler(req, res, () => chat(req, res));
    const port = await listen(server, config);
    phase = "serving";
    return {
      port,
      ...way,
      async close() {
        phase = "draining";
        await realtime.drain(config.DRAIN_TIME);
        await life.close();
      },
    };
  } catch (error) {
    await life.close();
    throw error;
  }
}
