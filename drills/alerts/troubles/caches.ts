import { until } from "../../../test/support/until.ts";
import { roomPaths } from "../rooms.ts";
import type { SingleStage } from "../stages.ts";
import { type Afterwards, sluice, type Trouble } from "../trouble.ts";
import { visit } from "../visits.ts";

const many = 4;

/** People look into every room, all of which Redis holds. */
async function visitRooms(stage: SingleStage) {
  const visits = await visit(stage, { paths: roomPaths, many });
  const held = async () => ((await stage.redis.ask("KEYS", "cache:messages:recent:room-*")) as string[]).length;
  await until(async () => (await held()) >= roomPaths.length, { timeoutMs: 30_000, describe: "every room in Redis" });
  return visits;
}

async function causeMisses(stage: SingleStage): Promise<Afterwards> {
  const visits = await visitRooms(stage);
  const { redis } = stage;
  await redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl");
  await redis.ask("CONFIG", "SET", "maxmemory", Math.round(Number(await redis.info("used_memory")) * 0.6));
  return visits.stop;
}

/** Somebody puts other words into what Redis has of every room. */
async function causeLies(stage: SingleStage): Promise<Afterwards> {
  const visits = await visitRooms(stage);
  const lie = `for at = 0, redis.call("LLEN", KEYS[1]) - 2 do
    local text = string.gsub(redis.call("LINDEX", KEYS[1], at), "word", "lie")
    redis.call("LSET", KEYS[1], at, text)
  end`;
  for (const key of (await stage.redis.ask("KEYS", "cache:messages:recent:room-*")) as string[])
    await stage.redis.ask("EVAL", lie, 1, key);
  return visits.stop;
}

/** A neighbour uses the key of a list for something else, again and again. */
function beginNeighbour({ redis }: SingleStage, key: string) {
  let going = true;
  const ended = (async () => {
    while (going) {
      await redis.ask("SET", key, "a neighbour's").catch(() => undefined);
      await new Promise((done) => setTimeout(done, 5));
    }
    await redis.ask("DEL", key);
  })();
  return async () => {
    going = false;
    await ended;
  };
}

/** People ask for a list, what is missing is filled, and the neighbour comes between. `undo`: what the runbook did. */
const causeNeighbour = (path: string, key: string, undo: string) => async (stage: SingleStage) => {
  const visits = await visit(stage, { paths: [path], many });
  const leave = beginNeighbour(stage, key);
  return async () => {
    await leave();
    await visits.stop();
    await sluice(stage, undo);
  };
};

export const cacheTroubles: readonly Trouble<SingleStage>[] = [
  {
    alert: "RedisErrors",
    name: "somebody else uses the key of the channels",
    cause: causeNeighbour("/api/channels", "cache:channels:list", "kill off"),
    named: /\d+ % of the calls to Redis bring nothing/,
    shown: /\d+ % of the calls to Redis bring nothing/,
  },
  {
    alert: "CacheStale",
    name: "somebody else writes to the caches",
    cause: causeLies,
    named: /"cache:messages":\[[^\]]*\d+ % of its answers are not what MongoDB has/,
    shown: /cache:messages stale: \d+ % of its answers are not what MongoDB has/,
  },
  {
    alert: "CacheWriteErrors",
    name: "somebody else uses the key of the users",
    cause: causeNeighbour("/api/users", "cache:users:list", "cache enable users"),
    named: /"cache:users":\[[^\]]*\d+ writes to it failed/,
    shown: /cache:users failed_writes: \d+ writes to it failed/,
  },
  {
    alert: "CacheMissRateHigh",
    name: "Redis has too little room for the caches",
    cause: causeMisses,
    named: /"cache:messages":\[[^\]]*\d+ % of the reads miss/,
    shown: /cache:messages misses: \d+ % of the reads miss/,
  },
  {
    alert: "CacheHitRateLow",
    name: "caches without Redis",
    cause: async (stage) => {
      const visits = await visit(stage, { paths: ["/api/channels"], many });
      await stage.redis.kill();
      return visits.stop;
    },
    named: /Redis is (down|recovering)/,
    shown: /"redis":"(down|recovering)"/,
  },
];
