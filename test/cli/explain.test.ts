import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";

describe("sluice cache explain", () => {
  const mongo = mongoUrl("cli-explain");
  let redis: RedisServer;
  const explain = (...args: string[]) =>
    atDesk(["cache", "explain", ...args], { MONGODB_URL: mongo, REDIS_URL: redis.url });

  beforeAll(async () => {
    redis = await startRedisServer();
    const client = await mongoose.mongo.MongoClient.connect(mongo);
    await client.db().collection("channels").insertOne({ id: "general", name: "General", type: "text" });
    await client.close();
  });
  afterAll(async () => {
    await redis?.close();
    await dropDatabase(mongo);
  });

  it.each([
    [["messages"], /^error: the cache messages has a key for each channel; say of which: explain messages </],
    [["whispers"], /^error: the cache whispers has a key for each channel/],
    [["users", "foo"], /^error: the cache users has one key only; leave out "foo"/],
  ])("is called wrongly: %s", async (args, words) => {
    const { code, text, aside } = await explain(...args);
    expect([code, text]).toEqual([2, ""]);
    expect(aside).toMatch(words);
  });

  it("knows a channel from what is none", async () => {
    expect(await explain("messages", "general")).toMatchObject({
      code: 0,
      text: "cache:messages:recent:general: is not there\nNothing has befallen it within the hour.",
    });
    const strange = await explain("messages", "genral");
    expect(strange.code).toBe(1);
    expect(strange.text).toMatch(
      /^There is no channel "genral" in the database ".+" at .+\.\ncache:messages:recent:genral: /,
    );
    expect((await explain("messages", "genral", "--json")).json).toMatchObject({ channelKnown: false });
    expect((await explain("users", "--json")).json).not.toHaveProperty("channelKnown");
  });
});
