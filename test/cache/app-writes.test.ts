import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { invalidate, writeThrough } from "../../src/cache/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createEnds } from "../support/ends.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { openPrices, openShop, type Price, type Shop } from "../support/shop.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("cache-app-writes");
const ends = createEnds();
const lost = new Error("the answer was lost");
let redis: RedisServer;
let shop: Shop;
let about: { mongoUrl: string; redis: string };

beforeAll(async () => {
  redis = await startRedisServer();
  about = { mongoUrl: url, redis: redis.url };
  shop = await openShop(ends, { ...about, cache: { version: "rev" } });
});
afterAll(async () => {
  await ends.close();
  await redis?.close();
  await dropDatabase(url);
});

const tea = (price: number): Price => ({ _id: "tea", price, rev: price });
const price = async () => (await shop.get("tea")).body.price;
/** In Redis, too: nothing that was thrown away has yet to be heard of. */
const inMemory = () =>
  until(async () => (await shop.from("tea")) === "l1" && (await redis.ask("EXISTS", "cache:prices:tea")) === 1, {
    timeoutMs: 20_000,
  });

beforeEach(async () => {
  await shop.put(tea(1));
  await invalidate(shop.cache, "tea");
  await inMemory();
  expect(await price()).toBe(1);
});

describe("a write that fails", () => {
  async function takenAndLost(_id: string): Promise<Price> {
    await shop.put(tea(2));
    throw lost;
  }

  it("leaves nothing old behind, when MongoDB has taken it", async () => {
    const set = writeThrough({ cache: shop.cache, key: (_made, id: string) => id }, takenAndLost);
    await expect(set("tea")).rejects.toBe(lost);
    expect(await price()).toBe(2);
  });

  it("nor where the keys need its result, and `keyOfFailed` tells them", async () => {
    const set = writeThrough({ cache: shop.cache, key: (made) => made._id, keyOfFailed: (id) => id }, takenAndLost);
    await expect(set("tea")).rejects.toBe(lost);
    expect(await price()).toBe(2);
  });

  it("rejects with its own error where nobody can tell the keys", async () => {
    const set = writeThrough({ cache: shop.cache, key: (made) => made._id }, takenAndLost);
    await expect(set("tea")).rejects.toBe(lost);
  });

  it("nor when MongoDB has taken it, and what it is now cannot be told", async () => {
    const value = () => {
      throw lost;
    };
    const set = writeThrough({ cache: shop.cache, key: (made) => made._id, value }, async () => {
      await shop.put(tea(2));
      return tea(2);
    });
    await expect(set()).rejects.toBe(lost);
    expect(await price()).toBe(2);
  });

  it("is seen when MongoDB takes it a moment later", async () => {
    const set = writeThrough({ cache: shop.cache, key: (_made, id: string) => id }, (_id) => Promise.reject(lost));
    await expect(set("tea")).rejects.toBe(lost);
    await inMemory();
    await shop.put(tea(2));
    expect(await price()).toBe(1);
    await until(async () => (await price()) === 2);
  });

  it("is seen, too, when who wrote closes its caches at once", async () => {
    const { cache, caches } = openPrices(ends, about);
    const set = writeThrough({ cache, key: (_made, id: string) => id }, (_id) => Promise.reject(lost));
    await expect(set("tea")).rejects.toBe(lost);
    await inMemory();
    await shop.put(tea(2));
    await caches.close();
    await until(async () => (await price()) === 2);
  });
});

describe("a process that only writes", () => {
  it.each(["rev", "none"])("tells those that answer, as soon as it has started (version: %s)", async (version) => {
    const { cache, caches, put } = openPrices(ends, { ...about, cache: { version } });
    const set = writeThrough(
      { cache, key: (made) => made._id, value: (made) => made },
      async (value: number): Promise<Price> => {
        await put(tea(value));
        return tea(value);
      },
    );
    await set(2);
    expect(await redis.ask("EXISTS", "cache:prices:tea")).toBe(0);
    await caches.close();
    await until(async () => (await price()) === 2);
  });

  it("throws away what it says has changed", async () => {
    const { cache, put } = openPrices(ends, about);
    await put(tea(2));
    await invalidate(cache, "tea");
    await until(async () => (await price()) === 2);
  });

  it("may answer afterwards, as fresh as its route says", async () => {
    const late = openPrices(ends, { ...about, cache: { name: "late" } });
    await invalidate(late.cache, "tea");
    const strict = late.cache.loadedBy(async () => tea(3), { class: "strict" });
    await until(async () => (await strict.read("tea")).from === "redis", { timeoutMs: 20_000 });
    expect((await strict.read("tea")).from).toBe("redis");
  });
});
