import type { Lifecycle } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { startEmbeddedMongo } from "./mongo.ts";
import { defaultCacheDir } from "./options.ts";
import { startEmbeddedRedis } from "./redis.ts";

/** What of the configuration says which databases are there; names are the configuration's. */
interface DatabaseConfig {
  readonly NODE_ENV: string;
  readonly MONGODB_URL: string;
  readonly REDIS_URL: string;
  readonly REDIS_HOST: string;
  readonly REDIS_SENTINEL: unknown;
  readonly REDIS_CLUSTER: readonly unknown[];
  readonly DISABLE_REDIS: boolean;
  readonly DATA_DIR: string;
  readonly CACHE_DIR: string;
  readonly MONGOMS_SYSTEM_BINARY: string;
  readonly EMBEDDED_DOWNLOAD_TIMEOUT: number;
}

interface Surroundings {
  searchPath: string | undefined;
  xdgCacheHome: string | undefined;
  life: Lifecycle;
  log: Log;
  say: (line: string) => void;
}

const namesRedis = (config: DatabaseConfig) =>
  Boolean(config.REDIS_URL || config.REDIS_HOST || config.REDIS_SENTINEL || config.REDIS_CLUSTER.length > 0);

/** What the commands need to find, in another terminal, what was started here. */
function sayToCommands(started: Record<string, string | undefined>, say: (line: string) => void): void {
  const names = Object.entries(started).flatMap(([name, url]) => (url ? [`${name}='${url}'`] : []));
  if (names.length === 0) return;
  say("  For the commands, such as npx sluice status, in another terminal:");
  say(`  export ${names.join(" ")}`);
}

/** Fills in what is not configured with databases of this machine's own; what is configured is never replaced. */
export async function withDatabases<C extends DatabaseConfig>(config: C, around: Surroundings): Promise<C> {
  const { life, log, say, searchPath = "", xdgCacheHome } = around;
  const options = {
    dataDir: config.DATA_DIR,
    cacheDir: config.CACHE_DIR || defaultCacheDir(xdgCacheHome),
    searchPath,
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
  sayToCommands({ MONGODB_URL: mongo?.url, REDIS_URL: redis?.url }, say);
  return Object.freeze({ ...config, ...found });
}
