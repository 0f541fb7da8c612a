import { createClient } from "redis";
import { loadConfig } from "../src/config/load.ts";
import { withBudget } from "../src/kernel/budget.ts";
import type { Log } from "../src/kernel/log.ts";
import { redisMetrics } from "../src/ops/metrics/redis.ts";
import { createMetrics } from "../src/ops/metrics.ts";
import { createRedisDoor } from "../src/redis/door.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { until } from "../test/support/until.ts";

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

const quantile = (list: number[], part: number) => [...list].sort((a, b) => a - b)[Math.floor(list.length * part)] ?? 0;
const median = (list: number[]) => quantile(list, 0.5);

export interface Duel {
  bare: number;
  door: number;
  /** Median of the rounds' own ratios: a busy machine slows both sides of one round. */
  ratio: number;
  /** Between which the middle half of those ratios lies. */
  spread: [low: number, high: number];
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
  const ratios = figures.map((one) => one.door / one.bare);
  return {
    bare: median(figures.map((one) => one.bare)),
    door: median(figures.map((one) => one.door)),
    ratio: median(ratios),
    spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}

/** The door beside bare node-redis: same server, same process, in turns. */
export async function redisDoor({ rounds = 20, ms = 250 } = {}): Promise<Record<string, Duel>> {
  const server = await startRedisServer();
  const door = createRedisDoor({ config: loadConfig({ REDIS_URL: server.url }), log: quiet });
  door.events.on("unavailable", ({ name, reason }) => console.error(`${name}: ${reason}`));
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
    const results: Record<string, Duel> = {
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
    // Last, because the storage of requests makes every promise of the process dearer, those of the bare client, too.
    results["GET in a request"] = await duel(
      () => withBudget(get[0]),
      () => withBudget(get[1]),
      rounds,
      ms,
    );
    return results;
  } finally {
    bare.destroy();
    await door.close();
    metrics.close();
    await server.close();
  }
}

export async function run(): Promise<void> {
  console.log(`${CONCURRENCY} commands at a time over one connection; medians of rounds taken in turns, commands/s`);
  console.log(
    `${"".padEnd(18)}${"node-redis".padStart(12)}${"door".padStart(12)}${"door / bare".padStart(14)}${"middle half".padStart(18)}`,
  );
  for (const [name, { bare, door, ratio, spread }] of Object.entries(await redisDoor())) {
    const figures = [bare, door].map((figure) => Math.round(figure).toLocaleString("en").padStart(12));
    const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
    const middle = spread.map(percent).join(" … ").padStart(18);
    console.log(`${name.padEnd(18)}${figures.join("")}${percent(ratio).padStart(14)}${middle}`);
  }
}
