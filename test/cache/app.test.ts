import express from "express";
import mongoose from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cacheAside, openCaches, writeThrough } from "../../src/cache/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

interface Price {
  _id: string;
  price: number;
  rev?: unknown;
}

const url = mongoUrl("cache-app");
const ends: (() => unknown)[] = [];
let redis: RedisServer;
let client: mongoose.mongo.MongoClient;

beforeAll(async () => {
  redis = await startRedisServer();
  client = await mongoose.mongo.MongoClient.connect(url);
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  await client?.close();
  await redis?.close();
  await dropDatabase(url);
});

/** A shop whose prices carry the versions that `next` makes. */
async function shop(name: string, next: (before: unknown) => unknown) {
  const caches = openCaches({ mongoUrl: url, redis: redis.url });
  ends.push(() => caches.close());
  const prices = client.db().collection<Price>(name);
  const cache = caches.create<Price>({ name, ttlSeconds: 300, version: "rev" });
  const load = (id: string) => prices.findOne({ _id: id });
  const app = express();
  app.get("/:id", cacheAside<Price>({ cache, key: (req) => String(req.params.id), load }));
  const server = app.listen(0, "127.0.0.1");
  ends.push(() => server.close());
  const set = writeThrough(
    { cache, key: (made) => made._id, value: (made) => made },
    async (id: string, price: number): Promise<Price> => {
      const rev = next((await load(id))?.rev);
      const made: Price = { _id: id, price, ...(rev === undefined ? {} : { rev }) };
      await prices.replaceOne({ _id: id }, made, { upsert: true });
      return made;
    },
  );
  async function get(id: string): Promise<{ price: number; from: string | null }> {
    const { port } = server.address() as { port: number };
    const answer = await fetch(`http://127.0.0.1:${port}/${id}`);
    return { price: ((await answer.json()) as Price).price, from: answer.headers.get("x-cache") };
  }
  return { set, get };
}

it.each([
  ["whole numbers", "counted", (before: unknown) => Number(before ?? 0) + 1],
  ["none at all", "bare", () => undefined],
  ["text", "dated", () => new Date().toISOString()],
  ["fractions", "halves", (before: unknown) => Number(before ?? 0) + 0.5],
])(
  "who wrote is shown what was written, where versions are %s",
  async (_what, name, next) => {
    const { set, get } = await shop(name, next);
    await set("tea", 1);
    await until(async () => (await get("tea")).from === "l1", { timeoutMs: 20_000 });
    for (let price = 2; price < 6; price += 1) {
      await set("tea", price);
      expect((await get("tea")).price).toBe(price);
    }
  },
  60_000,
);
