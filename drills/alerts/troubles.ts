import type { Stage } from "./stage.ts";

/** A fault that can be caused here, and the alert that must tell of it. */
export interface Trouble {
  alert: string;
  name: string;
  cause(stage: Stage): unknown;
  /** What the health page of one of the servers says of it. */
  named: RegExp;
  /** Makes good what the commands of the runbook leave behind. */
  after?(stage: Stage): unknown;
  /** Part of the short form. */
  short?: true;
}

async function sluice(stage: Stage, line: string): Promise<void> {
  const { code, output } = await stage.shell(`sluice ${line} --reason "a drill"`);
  if (code !== 0) throw new Error(`sluice ${line} ended with ${code}: ${output}`);
}

/** In this order: while nobody has turned the dial yet, the servers go by their environments, which differ. */
export const troubles: readonly Trouble[] = [
  {
    alert: "DialDiffers",
    name: "two servers with different dials",
    cause: () => undefined,
    named: /"sessions:rolloutPercentage":\[\{[^}]*"observedValue":(50|100)/,
    short: true,
  },
  {
    alert: "RedisUnreachable",
    name: "Redis is killed",
    cause: ({ redis }) => redis.kill(),
    named: /Redis is (down|recovering)/,
    short: true,
  },
  {
    alert: "RedisBreakerOpen",
    name: "Redis is frozen",
    cause: ({ redis }) => redis.freeze(),
    named: /Redis is down/,
  },
  {
    alert: "RedisWritesRefused",
    name: "Redis is full",
    cause: ({ redis }) => redis.fill(),
    named: /Redis is degraded/,
    short: true,
  },
  {
    alert: "RedisMemoryHigh",
    name: "Redis is nearly full",
    cause: async ({ redis }) => {
      await redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl");
      await redis.ask("CONFIG", "SET", "maxmemory", Math.round(Number(await redis.info("used_memory")) * 1.05));
    },
    named:
      /"redis:memory":\[\{"componentId":"used","observedValue":(\d+).*"componentId":"limit","observedValue":\1?\d+/,
    after: ({ redis }) => redis.relieve(),
  },
  {
    alert: "FallbackActive",
    name: "the dial says Redis, and Redis is gone",
    cause: async (stage) => {
      await sluice(stage, "dial set 100");
      await stage.redis.kill();
    },
    named: /"sessions:fallback":\[\{[^}]*"observedValue":"MongoDB"/,
    after: ({ redis }) => redis.kill().then(() => redis.start()),
  },
  {
    alert: "KillSwitchOn",
    name: "somebody switches Redis off",
    cause: (stage) => sluice(stage, "kill on"),
    named: /Redis is switched off by the kill switch/,
    short: true,
  },
];
