import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createBrowser } from "../support/http.ts";
import { figuresOf } from "../support/metrics.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("deaf");
let redis: RedisServer;
let chat: Chat;
beforeAll(async () => {
  redis = await startRedisServer();
  chat = await startChat({ env: { MONGODB_URL: url, REDIS_URL: redis.url, MIGRATE_ON_START: "true" } });
});
afterAll(async () => {
  await chat.stop();
  await redis.close();
  await dropDatabase(url);
});

async function healthIs(status: string) {
  return until(
    async () => {
      const { body } = await createBrowser(chat.url).get("/health/redis");
      return body.status === status ? body : undefined;
    },
    { timeoutMs: 15_000, describe: `the health page to say ${status}` },
  );
}

it("a server that no longer hears the others says so and why, and no longer when it hears them", async () => {
  await healthIs("pass");
  await redis.setPassword("another");
  await redis.ask("CLIENT", "KILL", "TYPE", "pubsub");
  const words = /^Redis messages do not arrive: Redis asks for a password \(NOAUTH\)/;
  await until(async () => words.test((await healthIs("warn")).output));
  const { checks } = await healthIs("warn");
  expect(checks["redis:state"][0]).toMatchObject({ observedValue: "up", status: "pass" });
  await until(async () => words.test((await healthIs("warn")).checks["bus:lag"][0].output));
  const figures = await figuresOf(chat.url);
  expect([figures.of("chat_redis_up"), figures.of("chat_bus_well")]).toEqual([1, 0]);
  expect(figures.of("chat_redis_connect_failures_total")).toBeGreaterThan(0);

  await redis.ask("ACL", "SETUSER", "default", "nopass");
  expect((await healthIs("pass")).output).toBeUndefined();
  await until(async () => (await healthIs("pass")).checks["bus:lag"][0].output === undefined);
});
