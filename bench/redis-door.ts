import { createClient } from "redis";
import { loadConfig } from "../src/config/load.ts";
import { withBudget } from "../src/kernel/budget.ts";
import type { Log } from "../src/kernel/log.ts";
import { redisMetrics } from "../src/ops/metrics/redis.ts";
import { createMetrics } from "../src/ops/metrics.ts";
import { createRedisDoor } from "../src/redis/door.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { until } from "../test/support/until.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";
import { quantile, ratioOf } from "./support/sums.ts";

const CONCURRENCY = 50;
const quiet: Log = { debug() {}, info() {}, warn: console.warn, error: console.error };

/** Commands per second of `workers` that each send the next command when the last one is answered. */
async function measure(ms: number, command: () => Promise<unknown>): Promise<number> {
  let done = 0;
  const begun = performance.now();
  const end = begun + ms;
  const worker = async () => {
    while (performance.now() < end) {
      await command();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return (done / (performance.now() - begun)) * 1000;
}

type Duel = ReturnType<typeof ratioOf>;

/** How long each of the commands took that one caller after the other made, in ms. */
async function latencies(times: number, command: () => Promise<unknown>): Promise<number[]> {
  const each: number[] = [];
  const caller = async () => {
    while (each.length < times) {
      const begun = performance.now();
      await command();
      each.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, caller));
  return each;
}

type Command = () => Promise<unknown>;

/** A B, B A, A B, … so that neither always comes first. */
async function duel(bare: Command, door: Command, rounds: number, ms: number): Promise<Duel> {
  const figures: { bare: number; door: number }[] = [];
  for (let round = -2; round < rounds; round += 1) {
    const first = await measure(ms, round % 2 === 0 ? bare : door);
    const second = await measure(ms, round % 2 === 0 ? door : bare);
    if (round < 0) continue;
    figures.push(round % 2 === 0 ? { bare: first, door: second } : { bare: second, door: first });
  }
  return ratioOf(
    figures.map((one) => one.door),
    figures.map((one) => one.bare),
  );
}

interface Measured {
  duels: Record<string, Duel>;
  /** By command, in ms. */
  p99: Record<string, number>;
  /** Of the commands through the door, those that Redis answered. */
  share: number;
}

/** The door beside bare node-redis: same server, same process, in turns. */
async function redisDoor(rounds: number, ms: number): Promise<Measured> {
  const server = await startRedisServer();
  const door = createRedisDoor({ config: loadConfig({ REDIS_URL: server.url }), log: quiet });
  const counts = { answered: 0, unavailable: 0 };
  door.events.on("answered", () => {
    counts.answered += 1;
  });
  door.events.on("unavailable", () => {
    counts.unavailable += 1;
  });
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
    const get: [Command, Command] = [
      () => bare.get("cache:bench"),
      () => door.call("bench", (redis) => redis.get("cache:bench")),
    ];
    const duels: Record<string, Duel> = {
      GET: await duel(...get, rounds, ms),
      SET: await duel(
        () => bare.set("cache:bench", value, { EX: 60 }),
        () => door.call("bench", (redis) => redis.set("cache:bench", value, { EX: 60 })),
        rounds,
        ms,
      ),
      HVALS: await duel(
        () => bare.hVals("cache:bench:hash"),
        () => door.call("bench", (redis) => redis.hVals("cache:bench:hash")),
        rounds,
        ms,
      ),
      HINCRBY: await duel(
        () => bare.hIncrBy("cache:bench:count", "n", 1),
        () => door.call("bench", (redis) => redis.hIncrBy("cache:bench:count", "n", 1)),
        rounds,
        ms,
      ),
    };
    const p99: Record<string, number> = {
      GET: quantile(await latencies(rounds * 1_000, get[1]), 0.99),
      SET: quantile(
        await latencies(rounds * 1_000, () =>
          door.call("bench", (redis) => redis.set("cache:bench", value, { EX: 60 })),
        ),
        0.99,
      ),
    };
    // Last, because the storage of requests makes every promise of the process dearer, those of the bare client, too.
    duels["GET in a request"] = await duel(
      () => withBudget(get[0]),
      () => withBudget(get[1]),
      rounds,
      ms,
    );
    return { duels, p99, share: counts.answered / (counts.answered + counts.unavailable) };
  } finally {
    bare.destroy();
    await door.close();
    metrics.close();
    await server.close();
  }
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [6, 200] : [20, 250];
  const { duels, p99, share } = await redisDoor(rounds, ms);
  const perSecond = (figure: number) => Math.round(figure).toLocaleString("en");
  return {
    kind: "bench",
    name: "redis-door",
    what: `the door to Redis beside bare node-redis, ${CONCURRENCY} commands at a time over one connection, ${rounds} rounds in turns`,
    tables: [
      {
        title: "commands per second",
        head: ["command", "node-redis", "door"],
        rows: Object.entries(duels).map(([name, { ours, other }]) => [name, perSecond(other), perSecond(ours)]),
      },
    ],
    figures: [
      ...Object.entries(duels).map(([name, duel]) => ({ name, ...duel, unit: "×", target: 0.95 })),
      ...["GET", "SET"].map((name) => ({
        name: `${name} through the door, p99`,
        value: p99[name] ?? Number.NaN,
        unit: " ms",
        target: name === "GET" ? 5 : 20,
        atMost: true,
      })),
    ],
    healthy: [{ phase: "throughout", share, least: 0.999 }],
    failures: [],
  };
}
