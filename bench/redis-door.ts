import { createClient } from "redis";
import { troubles } from "../drills/support/quiet.ts";
import { loadConfig } from "../src/config/load.ts";
import { withBudget } from "../src/kernel/budget.ts";
import { redisMetrics } from "../src/ops/metrics/redis.ts";
import { createMetrics } from "../src/ops/metrics.ts";
import { createRedisDoor } from "../src/redis/door.ts";
import { figuresIn } from "../test/support/metrics.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { until } from "../test/support/until.ts";
import type { RunOptions } from "./support/conduct.ts";
import { callers, type Duel, duel, duelTable } from "./support/duel.ts";
import type { Report } from "./support/report.ts";
import { quantile } from "./support/sums.ts";

type Command = () => Promise<unknown>;

const samples = 20_000;

/** How long each of the commands took that one caller after the other made, in ms. */
async function latencies(times: number, command: Command): Promise<number[]> {
  const each: number[] = [];
  const caller = async () => {
    while (each.length < times) {
      const begun = performance.now();
      await command();
      each.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return each;
}

interface Measured {
  duels: Record<string, Duel>;
  /** Through the door, in ms. */
  p99: { GET: number; SET: number };
  /** Of the commands through the door, those that Redis answered. */
  share: number;
}

/** The door beside bare node-redis: same server, same process, in turns. */
async function redisDoor(much: { rounds: number; ms: number }): Promise<Measured> {
  const server = await startRedisServer();
  const door = createRedisDoor({ config: loadConfig({ REDIS_URL: server.url }), log: troubles });
  // As in the product, where every call is counted and timed.
  const metrics = createMetrics();
  metrics.add(redisMetrics({ door, switchedOff: () => false }));
  door.start();
  const bare = createClient({
    url: server.url,
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
    maintNotifications: "disabled",
  });
  try {
    await bare.connect();
    await until(() => door.state === "up");
    const value = "x".repeat(200);
    await bare.set("cache:bench", value);
    await bare.hSet("cache:bench:hash", Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}`, value])));
    const commands: Record<"GET" | "SET" | "HVALS" | "HINCRBY", { ours: Command; other: Command }> = {
      GET: {
        ours: () => door.call("bench", (redis) => redis.get("cache:bench")),
        other: () => bare.get("cache:bench"),
      },
      SET: {
        ours: () => door.call("bench", (redis) => redis.set("cache:bench", value, { EX: 60 })),
        other: () => bare.set("cache:bench", value, { EX: 60 }),
      },
      HVALS: {
        ours: () => door.call("bench", (redis) => redis.hVals("cache:bench:hash")),
        other: () => bare.hVals("cache:bench:hash"),
      },
      HINCRBY: {
        ours: () => door.call("bench", (redis) => redis.hIncrBy("cache:bench:count", "n", 1)),
        other: () => bare.hIncrBy("cache:bench:count", "n", 1),
      },
    };
    const duels: Record<string, Duel> = {};
    for (const [name, { ours, other }] of Object.entries(commands)) duels[name] = await duel(ours, other, much);
    const worst = async (command: Command) => quantile(await latencies(samples, command), 0.99);
    const p99 = { GET: await worst(commands.GET.ours), SET: await worst(commands.SET.ours) };
    // Last, because the storage of requests makes every promise of the process dearer, those of the bare client, too.
    const { ours, other } = commands.GET;
    duels["GET in a request"] = await duel(
      () => withBudget(ours),
      () => withBudget(other),
      much,
    );
    const counted = figuresIn((await metrics.page()).text);
    const calls = (labels = {}) => counted.sum("chat_redis_commands_total", { name: "bench", ...labels });
    return { duels, p99, share: calls({ result: "ok" }) / calls() };
  } finally {
    bare.destroy();
    await door.close();
    metrics.close();
    await server.close();
  }
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [15, 75] : [75, 75];
  const { duels, p99, share } = await redisDoor({ rounds, ms });
  return {
    kind: "bench",
    name: "redis-door",
    what: `the door to Redis beside bare node-redis, ${callers} commands at a time over one connection, ${rounds} rounds in turns`,
    tables: [duelTable("command", ["node-redis", "door"], duels)],
    figures: [
      ...Object.entries(duels).map(([name, { speed }]) => ({ name, ...speed, unit: "×", target: 0.95 })),
      { name: "GET through the door, p99", value: p99.GET, unit: " ms", target: 5, atMost: true },
      { name: "SET through the door, p99", value: p99.SET, unit: " ms", target: 20, atMost: true },
    ],
    healthy: [{ phase: "throughout", share, least: 0.999 }],
    failures: [],
  };
}
