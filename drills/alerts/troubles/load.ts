import type { SingleStage } from "../stages.ts";
import { type Afterwards, redisIs, sluice, type Trouble } from "../trouble.ts";
import { visit } from "../visits.ts";

/** Each answer of Redis comes so much later. */
const laterMs = 200;
const muchLaterMs = 1_000;

/** Each who asks for it asks Redis: it is nobody else's page. */
const page = "/api/users?sort=lastActive";

/** What is beyond the newest messages, only MongoDB has. */
const beyond = "/api/channels/room-0/messages?limit=100";

/** Much is read from Redis over a way that has become slow, and MongoDB is as quick as before. `undo`: what the runbook did. */
const causeSlowness = (undo: string) => async (stage: SingleStage) => {
  await redisIs(stage, "up");
  const visits = [await visit(stage, { paths: [page], many: 8 }), await visit(stage, { paths: [beyond] })];
  stage.toRedis.set({ kind: "latency", ms: laterMs });
  return async () => {
    stage.toRedis.set({ kind: "none" });
    await Promise.all(visits.map((one) => one.stop()));
    await sluice(stage, undo);
  };
};

/** More people than Redis answers in time, each of whom comes again soon after the answer. */
async function causeQueue(stage: SingleStage): Promise<Afterwards> {
  await redisIs(stage, "up");
  const visits = await visit(stage, { paths: [page], many: 200 });
  stage.toRedis.set({ kind: "latency", ms: muchLaterMs });
  return async () => {
    stage.toRedis.set({ kind: "none" });
    await visits.stop();
    await sluice(stage, "kill off");
  };
}

/** Waits for Redis however long it takes: else it would go past it, and nothing would be slow. */
export const patient = {
  REDIS_DEADLINE: "8s",
  REDIS_WATCHDOG: "10s",
  REDIS_REQUEST_BUDGET: "10s",
  REQUEST_TIMEOUT: "20s",
};

export const loadTroubles: readonly Trouble<SingleStage>[] = [
  {
    alert: "RedisSlowerThanMongo",
    name: "MongoDB is nearer than Redis",
    cause: causeSlowness("cache enable users"),
    named: /Redis takes \d+ ms for the cache users, MongoDB \d+ ms/,
    shown: /Redis takes \d+ ms for the cache users, MongoDB \d+ ms/,
  },
  {
    alert: "RedisSlow",
    name: "the way to Redis is slow",
    cause: causeSlowness("kill off"),
    named: /Redis takes \d+ ms to answer/,
    shown: /Redis takes \d+ ms to answer/,
  },
  {
    alert: "RedisPoolExhausted",
    name: "more is asked of Redis than it answers",
    cause: causeQueue,
    named: /\d+ commands wait for Redis/,
    shown: /\d+ commands wait for Redis/,
  },
];
