import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Group, startGroup } from "../support/group.ts";
import { figureOf } from "../support/metrics.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { haveChromium } from "./chromium.ts";
import { openVisits } from "./visits.ts";

const url = mongoUrl("browser-instances");

describe.skipIf(!haveChromium)("two browsers on two instances", () => {
  let redis: RedisServer;
  let group: Group;

  beforeAll(async () => {
    redis = await startRedisServer();
    group = await startGroup({ count: 2, env: { MONGODB_URL: url, REDIS_URL: redis.url } });
  });
  afterAll(async () => {
    await group?.close();
    await redis?.close();
    await dropDatabase(url);
  });
  const visit = openVisits();

  const redisIs = (up: number) =>
    until(
      async () =>
        (await Promise.all(group.instances.map((chat) => figureOf(chat.url, "chat_redis_up")))).every(
          (one) => one === up,
        ),
      {
        timeoutMs: 20_000,
      },
    );

  it("talk on while Redis is killed, and when it is back", async () => {
    const [rita, sven] = await Promise.all(group.instances.map((chat) => visit(chat.url)));
    if (!rita || !sven) return expect.unreachable();
    await rita.register("Rita");
    await sven.register("Sven");
    await redisIs(1);
    await rita.say("Redis is well");
    await sven.line("Redis is well").waitFor();
    await until(async () => (await figureOf(group.at(1).url, 'chat_message_arrivals_total{way="redis"}')) > 0);

    await redis.kill();
    await rita.say("Redis was killed a moment ago");
    await sven.line("Redis was killed a moment ago").waitFor();
    await redisIs(0);
    await sven.say("and I answer without it");
    await rita.line("and I answer without it").waitFor();
    await rita.screenshot("instances-without-redis");

    await redis.start();
    await redisIs(1);
    await rita.say("Redis is back");
    await sven.line("Redis is back").waitFor();
    for (const { line } of [rita, sven])
      for (const text of ["Redis is well", "Redis was killed a moment ago", "and I answer without it", "Redis is back"])
        expect(await line(text).count()).toBe(1);
  });
});
