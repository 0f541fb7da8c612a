import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Example, startExample } from "../support/example.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const mongo = mongoUrl("adopt-cache");
let redis: RedisServer;
let client: mongoose.mongo.MongoClient;
const running: Example[] = [];

async function start(name: "before" | "after"): Promise<string> {
  const app = await startExample(`adopt-cache/${name}.ts`, { MONGODB_URL: mongo, REDIS_URL: redis.url });
  running.push(app);
  return app.url;
}

describe("an app with Express and Mongoose that takes the middleware", () => {
  let before: string;
  let after: string;
  let other: string;
  const [anne, belAmi] = [new mongoose.mongo.ObjectId(), new mongoose.mongo.ObjectId()];

  beforeAll(async () => {
    redis = await startRedisServer();
    client = await mongoose.mongo.MongoClient.connect(mongo);
    await client
      .db()
      .collection("books")
      .insertMany([
        { _id: anne, title: "Anne", shelf: "novels", price: 5 },
        { _id: belAmi, title: "Bel Ami", shelf: "novels", price: 6 },
      ]);
    [before, after, other] = await Promise.all([start("before"), start("after"), start("after")]);
  }, 90_000);
  afterAll(async () => {
    await Promise.all(running.map((app) => app.stop()));
    await client?.close();
    await redis?.close();
    await dropDatabase(mongo);
  });

  const setPrice = (url: string, price: number) =>
    fetch(`${url}/books/${anne}/price`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ price }),
    });
  const novels = (url: string, headers = {}) => fetch(`${url}/shelves/novels`, { headers });
  const fromMemory = (url: string) =>
    until(
      async () => {
        const reply = await novels(url);
        const body = await reply.text();
        return reply.headers.get("x-cache") === "l1" ? { reply, body } : undefined;
      },
      { timeoutMs: 20_000 },
    );
  const firstPrice = (text: string) => JSON.parse(text)[0].price as number;

  it("answers as before, from memory", async () => {
    const { reply, body } = await fromMemory(after);
    const plain = await novels(before);
    expect(body).toBe(await plain.text());
    expect(reply.headers.get("etag")).toBe(plain.headers.get("etag"));
    expect(await redis.ask("EXISTS", "cache:shelves:novels")).toBe(1);
    // By itself, fetch asks for the whole answer when it is given a tag.
    const known = { "If-None-Match": String(reply.headers.get("etag")), "Cache-Control": "max-age=0" };
    const again = await novels(after, known);
    expect(again.status).toBe(304);
  });

  it("shows a write at once to who wrote, and to the other process soon", async () => {
    await Promise.all([fromMemory(after), fromMemory(other)]);
    for (const price of [7, 8, 9]) {
      expect((await setPrice(after, price)).status).toBe(200);
      expect(firstPrice(await (await novels(after)).text())).toBe(price);
    }
    await until(async () => firstPrice(await (await novels(other)).text()) === 9, { everyMs: 2 });
    await fromMemory(other);
  });

  it("answers from MongoDB while Redis is out", async () => {
    await fromMemory(after);
    redis.freeze();
    try {
      await until(async () => (await novels(after)).headers.get("x-cache") === "bypass", { timeoutMs: 20_000 });
      await setPrice(after, 11);
      expect(firstPrice(await (await novels(after)).text())).toBe(11);
    } finally {
      redis.thaw();
    }
    expect(firstPrice((await fromMemory(after)).body)).toBe(11);
  });
});
