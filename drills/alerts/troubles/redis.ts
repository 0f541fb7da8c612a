import { connect } from "node:net";
import { until } from "../../../test/support/until.ts";
import type { SingleStage } from "../stages.ts";
import { type Afterwards, redisIs, sluice, type Trouble } from "../trouble.ts";

async function causeFlapping(stage: SingleStage): Promise<Afterwards> {
  for (let times = 0; times < 3; times++) {
    await redisIs(stage, "up");
    await stage.redis.kill();
    await redisIs(stage, "down");
    await stage.redis.start();
  }
  return () => sluice(stage, "kill off");
}

/** Whoever is in holds the only place: everybody else is sent away, and finds no room any more. */
async function causeNoRoom({ redis }: SingleStage): Promise<Afterwards> {
  const only = connect(redis.port, "127.0.0.1").on("error", () => undefined);
  const commands = ["CONFIG SET maxclients 1", "CLIENT KILL TYPE normal SKIPME yes", "CLIENT KILL TYPE pubsub"];
  only.write(commands.map((line) => `${line}\r\n`).join(""));
  return async () => only.destroy();
}

/** Who is in stays; who listens is sent away, and asked for a password at the door. */
async function causeDeafness(stage: SingleStage): Promise<Afterwards> {
  const { redis } = stage;
  await redisIs(stage, "up");
  const inside = connect(redis.port, "127.0.0.1").on("error", () => undefined);
  const commands = ["CONFIG SET requirepass another", "CLIENT KILL TYPE pubsub"];
  inside.write(commands.map((line) => `${line}\r\n`).join(""));
  return async () => inside.destroy();
}

const differing = /"the servers differ in percent"/;

/** Whoever has heard that they differ hears as well that they do no longer. */
const causeNothing = async (stage: SingleStage): Promise<Afterwards> => {
  const told = async () => (await Promise.all(stage.servers.map(stage.health))).some((page) => differing.test(page));
  return () => until(async () => !(await told()), { timeoutMs: 30_000, describe: "the servers to agree" });
};

/**
 * In this order: while nobody has turned the dial yet, the servers go by their environments, which differ; and Redis must
 * not have been lost for other reasons before it is lost too often.
 */
export const redisTroubles: readonly Trouble<SingleStage>[] = [
  {
    alert: "DialDiffers",
    name: "two servers with different dials",
    inherent: true,
    cause: causeNothing,
    named: differing,
    shown: /"differs":\["percent"\]/,
    short: true,
  },
  {
    alert: "RedisFlapping",
    name: "Redis comes and goes",
    cause: causeFlapping,
    named: /Redis was lost \d+ times in 10 minutes/,
    shown: /Redis was lost \d+ times in 10 minutes/,
  },
  {
    alert: "RedisUnreachable",
    name: "Redis is killed",
    cause: async ({ redis }) => {
      await redis.kill();
      return undefined;
    },
    named: /Redis is (down|recovering)/,
    shown: /"redis":"(down|recovering)"/,
    short: true,
  },
  {
    alert: "RedisBreakerOpen",
    name: "Redis is frozen",
    cause: async ({ redis }) => {
      redis.freeze();
      return undefined;
    },
    named: /Redis is down/,
    shown: /"redis":"down"/,
  },
  {
    alert: "RedisWritesRefused",
    name: "Redis is full",
    cause: async ({ redis }) => {
      await redis.fill();
      return undefined;
    },
    named: /Redis is degraded/,
    shown: /"redis":"degraded"/,
    short: true,
  },
  {
    alert: "RedisMemoryHigh",
    name: "Redis is nearly full",
    cause: async ({ redis }) => {
      await redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl");
      await redis.ask("CONFIG", "SET", "maxmemory", Math.round(Number(await redis.info("used_memory")) * 1.05));
      return () => redis.relieve();
    },
    named: /Redis uses \d+ % of the memory it may use/,
    shown: /Redis uses \d+ % of the memory it may use/,
  },
  {
    alert: "RedisConnectionsHigh",
    name: "Redis has hardly room for clients",
    cause: async ({ redis }) => {
      const crowd = Array.from({ length: 20 }, () => connect(redis.port, "127.0.0.1"));
      for (const one of crowd) one.on("error", () => undefined);
      await until(async () => Number(await redis.info("connected_clients")) > crowd.length);
      await redis.ask("CONFIG", "SET", "maxclients", Number(await redis.info("connected_clients")) + 4);
      return async () => {
        for (const one of crowd) one.destroy();
      };
    },
    named: /Redis has \d+ clients, and takes \d+/,
    shown: /Redis has \d+ clients, and takes \d+/,
  },
  {
    alert: "KillSwitchOn",
    name: "somebody switches Redis off",
    cause: async (stage) => {
      await sluice(stage, "kill on");
      return undefined;
    },
    named: /Redis is switched off by the kill switch/,
    shown: /"disabledBy":"settings"/,
    short: true,
  },
  {
    alert: "RedisMessagesLost",
    name: "Redis has another password, and who listens is sent away",
    cause: causeDeafness,
    named: /Redis messages do not arrive: .*NOAUTH/,
    shown: /Redis messages do not arrive: .*NOAUTH/,
  },
  {
    alert: "RedisConnectFailures",
    name: "Redis has no room for clients",
    cause: causeNoRoom,
    named: /Redis is (down|recovering)/,
    shown: /"redis":"(down|recovering)"/,
  },
];
