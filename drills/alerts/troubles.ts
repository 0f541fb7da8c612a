import { connect } from "node:net";
import { createBrowser } from "../../test/support/http.ts";
import { until } from "../../test/support/until.ts";
import type { Stage } from "./stage.ts";

type Afterwards = () => Promise<unknown>;

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

async function sluice(stage: Stage, line: string): Promise<void> {
  const { code, output } = await stage.shell(`sluice ${line} --reason "a drill"`);
  if (code !== 0) throw new Error(`sluice ${line} ended with ${code}: ${output}`);
}

/** Somebody visits all the time, by a route that reads the session, while the nickname in the copy of the session becomes another. */
async function causeDifference(stage: Stage): Promise<Afterwards> {
  const { redis, servers } = stage;
  const visitor = createBrowser(servers[0]?.url ?? "");
  await visitor.register("visitor");
  await sluice(stage, "dial set --mode shadow");
  let visiting = true;
  const visits = (async () => {
    while (visiting) await visitor.get("/api/channels/general/messages");
  })();
  const changed = async () => {
    for (const key of (await redis.ask("KEYS", "session:*")) as string[]) {
      const copy = String(await redis.ask("GET", key));
      if (!copy.includes("visitor")) continue;
      await redis.ask("SET", key, copy.replaceAll("visitor", "strange"), "KEEPTTL");
      return true;
    }
    return false;
  };
  await until(changed, { timeoutMs: 30_000, describe: "a copy of the session" });
  return async () => {
    visiting = false;
    await visits;
    await sluice(stage, "dial set 0 --mode serve");
  };
}

/** In this order: while nobody has turned the dial yet, the servers go by their environments, which differ. */
export const troubles: readonly Trouble[] = [
  {
    alert: "DialDiffers",
    name: "two servers with different dials",
    cause: async () => undefined,
    named: /"sessions:rolloutPercentage":\[\{[^}]*"observedValue":(50|100)/,
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
  },
  {
    alert: "RedisWritesRefused",
    name: "Redis is full",
    cause: async ({ redis }) => {
      await redis.fill();
      return undefined;
    },
    named: /Redis is degraded/,
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
    named:
      /"redis:memory":\[\{"componentId":"used","observedValue":(\d+).*"componentId":"limit","observedValue":\1?\d+/,
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
    named: /"componentId":"server_limit","observedValue":\d\d,/,
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
  },
  {
    alert: "KillSwitchOn",
    name: "somebody switches Redis off",
    cause: async (stage) => {
      await sluice(stage, "kill on");
      return undefined;
    },
    named: /Redis is switched off by the kill switch/,
    short: true,
  },
];
