import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Example, startExample } from "../support/example.ts";
import { createBrowser } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

describe("the whole chat, started by a program of one's own", () => {
  const mongo = mongoUrl("whole-chat");
  let redis: RedisServer;
  let chat: Example;

  beforeAll(async () => {
    redis = await startRedisServer();
    const secrets = { SESSION_SECRET: "a secret", JWT_SECRET: "another", OPS_TOKEN: "a third" };
    chat = await startExample("whole-chat/chat.ts", { ...secrets, MONGODB_URL: mongo, REDIS_URL: redis.url });
  }, 90_000);
  afterAll(async () => {
    await chat?.stop();
    await redis?.close();
    await dropDatabase(mongo);
  });

  it("is served with all that `npm start` has, and ends when it is told to", async () => {
    expect(await (await fetch(chat.url)).text()).toContain("<title>");
    const anne = createBrowser(chat.url);
    expect((await anne.register("anne")).status).toBe(201);
    await until(async () => (await anne.get("/api/channels")).headers.get("x-cache") === "l1");
    expect(await redis.ask("EXISTS", "cache:channels:list")).toBe(1);
    await chat.stop();
    await expect(fetch(chat.url)).rejects.toThrow();
  });
});
