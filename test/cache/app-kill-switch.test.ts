import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createEnds } from "../support/ends.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { openSettings } from "../support/settings.ts";
import { openShop } from "../support/shop.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("cache-app-kill");
const ends = createEnds();
const by = { who: "a test", why: "to see" };
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(async () => {
  await ends.close();
  await redis?.close();
  await dropDatabase(url);
});

const clients = async () => {
  const list = String(await redis.ask("CLIENT", "LIST")).trim();
  // The one that asks is among them.
  return list.split("\n").length - 1;
};

it("the kill switch takes Redis away from the caches of an app, and gives it back", async () => {
  const log = createRecorder();
  const { caches, put, get, from } = await openShop(ends, { mongoUrl: url, redis: redis.url, log });
  await put({ _id: "tea", price: 1 });
  await until(async () => (await from("tea")) === "l1", { timeoutMs: 20_000 });
  const settings = ends.add(await openSettings(caches));

  await settings.change({ redisDisabled: true }, by);
  await until(async () => (await clients()) === 0);
  expect(await from("tea")).toBe("bypass");
  expect(log.said("warn", /the kill switch is on/)).toHaveLength(1);
  await put({ _id: "tea", price: 2 });
  expect((await get("tea")).body.price).toBe(2);

  await settings.change({ redisDisabled: false }, by);
  await until(async () => (await from("tea")) === "l1", { timeoutMs: 20_000 });
  expect((await get("tea")).body.price).toBe(2);
  await caches.close();
  expect(await clients()).toBe(0);
}, 60_000);
