import { existsSync } from "node:fs";
import { pino } from "pino";
import { createApp } from "./app.ts";
import { type Config, loadConfig } from "./config/load.ts";
import { secretPaths } from "./config/redact.ts";
import { loadSecrets } from "./config/secrets.ts";
import { defaultCacheDir, startEmbeddedMongo, startEmbeddedRedis } from "./embedded/index.ts";
import { ConfigError, StartError } from "./kernel/errors.ts";
import { createLifecycle, type Lifecycle } from "./kernel/lifecycle.ts";
import type { Log } from "./kernel/log.ts";
import { plainLine } from "./ops/index.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** JSON for machines in production, plain lines for the person in front of it elsewhere. */
function createLog(config: Config): Log {
  const options = { level: config.LOG_LEVEL, redact: { paths: secretPaths, censor: "***" } };
  if (config.NODE_ENV !== "development") return pino(options);
  return pino(options, { write: (line: string) => void process.stdout.write(plainLine(line)) });
}

const namesRedis = (config: Config) =>
  Boolean(config.REDIS_URL || config.REDIS_HOST || config.REDIS_SENTINEL || config.REDIS_CLUSTER.length > 0);

/** Fills in what is not configured with databases of this machine's own; what is configured is never replaced. */
async function withDatabases(config: Config, life: Lifecycle, log: Log): Promise<Config> {
  const options = {
    dataDir: config.DATA_DIR,
    cacheDir: config.CACHE_DIR || defaultCacheDir(process.env.XDG_CACHE_HOME),
    searchPath: process.env.PATH ?? "",
    downloadTimeoutMs: config.EMBEDDED_DOWNLOAD_TIMEOUT,
    log,
    say,
  };
  const mine = config.NODE_ENV !== "production";
  const found = { MONGODB_URL: config.MONGODB_URL, REDIS_URL: config.REDIS_URL };
  const [mongo, redis] = await Promise.all([
    config.MONGODB_URL || !mine
      ? undefined
      : startEmbeddedMongo({ ...options, systemBinary: config.MONGOMS_SYSTEM_BINARY }),
    namesRedis(config) || !mine || config.DISABLE_REDIS ? undefined : startEmbeddedRedis(options),
  ]);
  if (mongo) found.MONGODB_URL = life.own("embedded MongoDB", mongo, (server) => server.close()).url;
  if (redis) found.REDIS_URL = life.own("embedded Redis", redis, (server) => server.close()).url;
  return Object.freeze({ ...config, ...found });
}

async function start(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config);
  const life = createLifecycle(log, { stepMs: config.SHUTDOWN_TIMEOUT, totalMs: 9_800 });
  let asked = 0;
  const stop = () => {
    if (++asked > 1) process.exit(1);
    say("Stopping …");
    life.close().then(() => process.exit(process.exitCode ?? 0));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    say(`sluice is starting (${config.NODE_ENV}).`);
    const whole = await withDatabases(config, life, log);
    const app = life.own("the chat", await createApp({ config: whole, secrets: loadSecrets(whole), log }), (chat) =>
      chat.close(),
    );
    if (life.closing) return await app.close();
    const host = ["127.0.0.1", "0.0.0.0", "::1", "::"].includes(config.HOST) ? "localhost" : config.HOST;
    const url = `http://${host}:${app.port}`;
    say(`sluice is ready at ${url}`);
    say(`  health of Redis: ${url}/health/redis   metrics: ${url}/metrics`);
    if (existsSync(config.DATA_DIR))
      say(`  data, secrets and logs of this machine's own databases: ${config.DATA_DIR}/`);
    say("  Ctrl-C stops it, and what it started.");
  } catch (error) {
    await life.close();
    throw error;
  }
}

start().catch((error: unknown) => {
  const plain = error instanceof ConfigError || error instanceof StartError;
  process.stderr.write(`${plain ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
