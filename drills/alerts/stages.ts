import { type Deployed, makeSecrets } from "../../test/support/deployment.ts";
import { containerOf } from "../../test/support/pages.ts";
import { startProxy, type TcpProxy } from "../../test/support/proxy.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { sentinels } from "../topology/stage.ts";
import { type Stage, type StageOptions, setStage } from "./stage.ts";

export interface SingleStage extends Stage {
  readonly redis: RedisServer;
  /** Between the servers and Redis, where they are told to go that way. */
  readonly toRedis: TcpProxy;
}

type More = Pick<StageOptions, "servers" | "prepare"> & { through?: boolean };

/** What was opened goes when the stage does, or when it cannot be set. */
async function withMore<S extends Stage, More extends object>(
  stage: Promise<S>,
  more: More,
  closeMore: () => Promise<unknown>,
): Promise<S & More> {
  const set = await stage.catch(async (error: unknown) => {
    await closeMore();
    throw error;
  });
  return { ...set, ...more, close: () => set.close().finally(closeMore) };
}

/** One Redis. */
export async function setSingle(mongoUrl: string, { through = false, ...more }: More): Promise<SingleStage> {
  const redis = await startRedisServer();
  const toRedis = await startProxy(redis.port);
  const where = through ? `redis://127.0.0.1:${toRedis.port}` : redis.url;
  const stage = setStage({
    mongoUrl,
    ...more,
    redis: { REDIS_URL: where },
    shell: { REDIS_URL: redis.url, REDIS: redis.url },
    services: { "systemctl restart redis-server": () => redis.kill().then(() => redis.start()) },
  });
  return withMore(stage, { redis, toRedis }, async () => {
    await toRedis.close();
    await redis.close();
  });
}

export interface SentinelStage extends Stage {
  readonly sentinels: readonly Deployed[];
  readonly replicas: readonly Deployed[];
}

/** A master, two replicas and three sentinels, as docker-compose.yml has them. */
export async function setSentinels(mongoUrl: string): Promise<SentinelStage> {
  const secrets = await makeSecrets();
  const group = await sentinels(secrets).catch(async (error: unknown) => {
    await secrets.remove();
    throw error;
  });
  const remove = async () => {
    await Promise.all(group.all.map((one) => one.close()));
    await secrets.remove();
  };
  const watchers = group.all.filter((one) => !group.redis.includes(one));
  const replicas = group.redis.slice(1);
  const startDead = (all: readonly Deployed[]) =>
    Promise.all(all.map(async (one) => (await one.check()) || one.start()));
  const stage = group.settled().then(() =>
    setStage({
      mongoUrl,
      redis: {
        ...group.env,
        REDIS_USERNAME: "sluice",
        REDIS_PASSWORD_FILE: `${secrets.folder}/redis_password`,
      },
      servers: { one: {} },
      containers: Object.fromEntries([
        ...group.redis.map((one, at) => [at === 0 ? "redis" : `redis-${at + 1}`, containerOf(one, secrets)]),
        ...watchers.map((one, at) => [`sentinel-${at + 1}`, containerOf(one, secrets)]),
      ]),
      secrets: secrets.folder,
      services: {
        "docker compose up -d sentinel-1 sentinel-2 sentinel-3": () => startDead(watchers),
        "docker compose restart redis-2 redis-3": () => startDead(replicas),
      },
    }),
  );
  return withMore(stage, { sentinels: watchers, replicas }, remove);
}
