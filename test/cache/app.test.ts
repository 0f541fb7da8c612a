import { afterAll, beforeAll, expect, it } from "vitest";
import { writeThrough } from "../../src/cache/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createEnds } from "../support/ends.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { openShop, type Price } from "../support/shop.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("cache-app");
const ends = createEnds();
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(async () => {
  await ends.close();
  await redis?.close();
  await dropDatabase(url);
});

it.each([
  ["whole numbers", "counted", (before: unknown) => Number(before ?? 0) + 1],
  ["none at all", "bare", () => undefined],
  ["text", "dated", () => new Date().toISOString()],
  ["fractions", "halves", (before: unknown) => Number(before ?? 0) + 0.5],
])(
  "who wrote is shown what was written, where versions are %s",
  async (_what, name, next) => {
    const cached = { name, version: "rev" };
    const { cache, prices, put, get, from } = await openShop(ends, { mongoUrl: url, redis: redis.url, cache: cached });
    const set = writeThrough(
      { cache, key: (made) => made._id, value: (made) => made },
      async (id: string, price: number): Promise<Price> => {
        const rev = next((await prices.findOne({ _id: id }))?.rev);
        const made: Price = { _id: id, price, ...(rev === undefined ? {} : { rev }) };
        await put(made);
        return made;
      },
    );
    await set("tea", 1);
    await until(async () => (await from("tea")) === "l1", { timeoutMs: 20_000 });
    for (let price = 2; price < 6; price += 1) {
      await set("tea", price);
      expect((await get("tea")).body.price).toBe(price);
    }
  },
  60_000,
);

it("apps with a prefix each share a Redis, and neither is shown what is the other's", async () => {
  const shops = [];
  for (const [price, prefix] of ["one:", "two:"].entries()) {
    const shop = await openShop(ends, {
      ...{ mongoUrl: url, redis: redis.url, prefix },
      route: { load: async (id) => ({ _id: id, price }) },
    });
    await until(async () => (await shop.from("tea")) === "l1", { timeoutMs: 20_000 });
    shops.push(shop);
  }
  for (const [price, shop] of shops.entries()) expect((await shop.get("tea")).body.price).toBe(price);
  expect(await redis.ask("KEYS", "*prices:tea")).toEqual(expect.arrayContaining(["one:prices:tea", "two:prices:tea"]));
  const channels = await redis.ask("PUBSUB", "CHANNELS", "updates:*");
  expect(channels).toEqual(expect.arrayContaining(["updates:one:app", "updates:two:app"]));
}, 60_000);
