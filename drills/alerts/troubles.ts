import { connect } from "node:net";
import { until } from "../../test/support/until.ts";
import {
  type Afterwards,
  causeDifference,
  causeFlapping,
  causeLogouts,
  causeNoRoom,
  causeSlowness,
  sluice,
  visit,
} from "./causes.ts";
import type { Stage } from "./stage.ts";

/** A fault that can be caused here, and the alert that must tell of it. */
export interface Trouble {
  alert: string;
  name: string;
  /** May answer how to make good what the commands of the runbook leave behind. */
  cause(stage: Stage): Promise<Afterwards | undefined>;
  /** What the health page of one of the servers says of it; absent where it is not about Redis. */
  named?: RegExp;
  /** What the console shows of it. */
  shown?: RegExp;
  /** Part of the short form. */
  short?: true;
}

/** In this order: while nobody has turned the dial yet, the servers go by their environments, which differ. */
export const troubles: readonly Trouble[] = [
  {
    alert: "DialDiffers",
    name: "two servers with different dials",
    cause: async () => undefined,
    named: /"sessions:rolloutPercentage":\[\{[^}]*"observedValue":(50|100)/,
    shown: /"differs":\["percent"\]/,
    short: true,
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
    alert: "ShadowDiffers",
    name: "somebody else writes to the copies of sessions",
    cause: causeDifference,
  },
  {
    alert: "FallbackActive",
    name: "the dial says Redis, and Redis is gone",
    cause: async (stage) => {
      await sluice(stage, "dial set 100");
      await stage.redis.kill();
      return async () => {
        await stage.redis.kill();
        await stage.redis.start();
      };
    },
    named: /"sessions:fallback":\[\{[^}]*"observedValue":"MongoDB"/,
    shown: /"reading":"mongo"/,
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
    alert: "RedisFlapping",
    name: "Redis comes and goes",
    cause: causeFlapping,
  },
  {
    alert: "RedisConnectFailures",
    name: "Redis has no room for clients",
    cause: causeNoRoom,
    named: /Redis is (down|recovering)/,
    shown: /"redis":"(down|recovering)"/,
  },
  {
    alert: "RedisSlow",
    name: "a neighbour keeps Redis busy",
    cause: causeSlowness,
    named: /Redis takes \d+ ms to answer/,
    shown: /Redis takes \d+ ms to answer/,
  },
  {
    alert: "CacheHitRateLow",
    name: "caches without Redis",
    cause: async (stage) => {
      const visits = await visit(stage, "/api/channels");
      await stage.redis.kill();
      return visits.stop;
    },
    named: /Redis is (down|recovering)/,
    shown: /"redis":"(down|recovering)"/,
  },
  {
    alert: "SessionsMissing",
    name: "somebody deletes sessions in MongoDB",
    cause: (stage) => causeLogouts(stage, "SessionsMissing", 1),
    named: /% of the good cookies find no session/,
    shown: /% of the good cookies find no session/,
  },
  {
    alert: "DialSteppedDown",
    name: "so many are missing that the dial goes down",
    cause: (stage) => causeLogouts(stage, "DialSteppedDown", 30),
    named: /the dial went down from 100 % to \d+ % by itself, because of missing/,
    shown: /the dial went down from 100 % to \d+ % by itself, because of missing/,
  },
  {
    alert: "MongoUnreachable",
    name: "MongoDB is out of reach",
    cause: async ({ toMongo }) => {
      toMongo.set({ kind: "blackHole" });
      return undefined;
    },
    named: /"mongo:responseTime":\[\{[^}]*"status":"fail"/,
    shown: /"problem":"MongoDB gives no answer"/,
  },
  {
    alert: "ChangeStreamBehind",
    name: "MongoDB tells of no change",
    cause: async ({ toMongo }) => {
      toMongo.set({ kind: "blackHole" });
      return undefined;
    },
    named: /"changeStream:lag":\[.*"status":"warn"/,
    shown: /"problem":"MongoDB gives no answer"/,
  },
  {
    alert: "ServerDown",
    name: "a server is killed",
    cause: async ({ servers }) => {
      await servers[1]?.kill();
      return undefined;
    },
    shown: /"instances":\[(?!.*"serverId":"two")/,
  },
];
