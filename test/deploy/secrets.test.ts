import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { variables } from "../../src/config/variables.ts";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { createBrowser } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const mark = "geheim";
const https = { "X-Forwarded-Proto": "https" };
const password = "correct horse battery";

describe("a server of production, every secret of which is a file", () => {
  const url = mongoUrl("deploy-secrets");
  const dir = mkdtempSync(join(tmpdir(), "sluice-secret-files-"));
  const env: Record<string, string> = {};
  const told: string[] = [];
  let redis: RedisServer;
  let chat: Chat;
  let user: mongoose.mongo.MongoClient;

  function give(name: string, value: string): void {
    const file = join(dir, name);
    writeFileSync(file, `${value}\n`);
    env[`${name}_FILE`] = file;
  }

  beforeAll(async () => {
    user = await mongoose.mongo.MongoClient.connect(url);
    await user.db().command({ createUser: "ann", pwd: `${mark}-mongo`, roles: ["readWrite"] });
    redis = await startRedisServer({ args: ["--requirepass", `${mark}-redis`] });
    const secrets = Object.entries(variables).filter(([, { secret }]) => secret);
    for (const [name] of secrets) give(name, `${mark}-${name}-${"x".repeat(32)}`);
    const withUser = new URL(url);
    withUser.username = "ann";
    withUser.password = `${mark}-mongo`;
    withUser.searchParams.set("authSource", withUser.pathname.slice(1));
    give("MONGODB_URL", withUser.href);
    give("REDIS_URL", `redis://:${mark}-redis@127.0.0.1:${redis.port}`);
    give("REDIS_PASSWORD", `${mark}-redis`);
    const production = { NODE_ENV: "production", PASSWORD_COST: "10", TRUST_PROXY: "1", LOG_LEVEL: "debug" };
    Object.assign(env, production, { SESSION_COOKIE: "__Host-chatSession", SESSION_REDIS_PERCENT: "100" });
    chat = await startChat({ env });
  });
  afterAll(async () => {
    await chat?.stop();
    await redis?.close();
    await user?.db().command({ dropUser: "ann" });
    await user?.close();
    await dropDatabase(url);
    rmSync(dir, { recursive: true });
  });

  it("gives a Secure cookie with the prefix, which every part of it knows", async () => {
    const browser = createBrowser(chat.url);
    const body = { nickname: "bea", email: "bea@example.org", password };
    const registered = await browser.post("/api/register", body, https);
    expect(registered.status).toBe(201);
    const [cookie = ""] = registered.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-chatSession=s%3A/);
    const attributes = cookie.split("; ").slice(1);
    expect(attributes).toEqual(expect.arrayContaining(["Path=/", "HttpOnly", "Secure", "SameSite=Lax"]));
    expect(cookie).not.toMatch(/domain/i);
    const logout = await browser.post(
      "/api/logout",
      {},
      { ...https, Authorization: `Bearer ${registered.body.token}` },
    );
    expect(logout.status).toBe(200);
    const [cleared = ""] = logout.headers.getSetCookie();
    if (cleared) expect(cleared).toMatch(/^__Host-chatSession=;.*Secure/i);
  });

  it("tells none of them in an answer, an error, a page, a metric or a line of its log", async () => {
    const say = async (answer: Promise<{ headers: Headers; body: unknown }>) => {
      const { headers, body } = await answer;
      told.push(JSON.stringify([...headers]), JSON.stringify(body));
    };
    const visitor = createBrowser(chat.url);
    const metrics = `Bearer ${mark}-METRICS_TOKEN-${"x".repeat(32)}`;
    async function lookEverywhere(): Promise<void> {
      for (const path of [
        "/",
        "/health",
        "/health/live",
        "/health/ready",
        "/health/redis",
        "/api/health/redis",
        "/ops",
        "/nowhere",
        "/api/users",
        "/api-docs.json",
      ])
        await say(visitor.get(path, https));
      await say(visitor.get("/metrics", { Authorization: metrics }));
      await say(visitor.get("/metrics", { Authorization: "Bearer wrong" }));
      await say(visitor.post("/api/login", { identifier: "bea", password: "wrong" }, https));
      await say(visitor.get("/api/users", { ...https, Authorization: "Bearer a.b.c" }));
      await say(
        visitor.send("POST", "/api/login", { body: "{", headers: { ...https, "Content-Type": "application/json" } }),
      );
    }
    await lookEverywhere();
    const page = await visitor.get("/metrics", { Authorization: metrics });
    expect(page.body).toContain("chat_redis_up");
    const state = async () => (await visitor.get("/health/redis")).body.checks["redis:state"][0].observedValue;
    await until(async () => (await state()) === "up");
    await redis.setPassword("another");
    await redis.ask("CLIENT", "KILL", "TYPE", "normal").catch(() => undefined);
    await redis.ask("CLIENT", "KILL", "TYPE", "pubsub").catch(() => undefined);
    await until(async () => (await state()) === "down", { timeoutMs: 20_000 });
    await lookEverywhere();
    for (const command of [
      ["config", "check"],
      ["config", "check", "--json"],
      ["doctor"],
      ["doctor", "--json"],
      ["status"],
    ]) {
      const { text, aside } = await atDesk(command, env);
      told.push(text, aside);
    }
    expect(told.join("\n").length).toBeGreaterThan(20_000);
    expect(told.filter((text) => text.includes(mark))).toEqual([]);
    expect(chat.output().length).toBeGreaterThan(500);
    expect(
      chat
        .output()
        .split("\n")
        .filter((line) => line.includes(mark)),
    ).toEqual([]);
  });
});
