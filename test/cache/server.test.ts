import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { figureOf } from "../support/metrics.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("caches-server");
const secrets = { JWT_SECRET: "the same for all", SESSION_SECRET: "the same for all" };
let redis: RedisServer;
let db: mongoose.mongo.Db;
let client: mongoose.mongo.MongoClient;
let plain: Chat;
const cached: Chat[] = [];
let visitor: Browser;

interface Health {
  checks: Record<string, { status: string; componentId?: string; observedValue?: unknown }[]>;
}

const paths = [
  "/api/users",
  "/api/users?sort=lastActive&limit=7",
  "/api/users/online",
  "/api/channels",
  "/api/channels/general/messages?limit=20",
  "/api/emoji/classics",
];

async function bodyOf(chat: Chat, path: string): Promise<{ body: string; from: string | null }> {
  const answer = await fetch(chat.url + path, { headers: { Authorization: `Bearer ${visitor.token}` } });
  expect(answer.status, path).toBe(200);
  return { body: await answer.text(), from: answer.headers.get("x-cache") };
}
const fromOf = async (chat: Chat, path: string) => (await bodyOf(chat, path)).from;

const near = (from: string | null) => from === "redis" || from === "l1";

const metric = ({ url }: Chat, series: string) => figureOf(url, series);

/** Every answer of the caches' server is byte for byte that of the one without caches. */
async function expectSame(): Promise<void> {
  for (const path of paths) {
    const { body } = await bodyOf(plain, path);
    for (const chat of cached) {
      const other = await bodyOf(chat, path);
      if (other.body !== body)
        throw new Error(`${path} (${other.from}): ${other.body.slice(0, 300)} is not ${body.slice(0, 300)}`);
    }
  }
}

const believed = () =>
  until(
    async () => {
      for (const chat of cached)
        for (const path of paths.filter((one) => one !== "/api/users/online"))
          if (!near(await fromOf(chat, path))) return false;
      return true;
    },
    { timeoutMs: 30_000, everyMs: 100, describe: "the caches to be read from Redis" },
  );

beforeAll(async () => {
  redis = await startRedisServer();
  client = await new mongoose.mongo.MongoClient(url).connect();
  db = client.db();
  const at = new Date(1_700_000_000_000);
  const person = (n: number) => ({
    nickname: `${["Ä", "z", "😀", "a"][n % 4]} person ${n}`,
    email: `person${n}@example.com`,
    password: "x",
    role: ["member", "moderator"][n % 2],
    ...(n % 5 === 0 ? {} : { status: ["online", "offline"][n % 2] }),
    ...(n % 7 === 0 ? {} : { createdAt: new Date(+at + n) }),
    ...(n % 6 === 0 ? {} : { lastActive: new Date(+at + (n % 9) * 1_000) }),
  });
  await db.collection("users").insertMany(Array.from({ length: 60 }, (_, n) => person(n)));
  const channel = (n: number) => ({
    id: `c-${n}`,
    name: `Über ${n}`,
    type: "text",
    createdBy: "x",
    ...(n % 3 ? { position: n % 4 } : {}),
  });
  await db.collection("channels").insertMany(Array.from({ length: 12 }, (_, n) => channel(n)));
  const line = (n: number) => ({
    author: "Ann",
    text: `line ${n} 🎉`,
    channel: "general",
    ...(n % 4 ? { type: n % 3 ? "public" : "private" } : {}),
    target: n % 6 ? null : "visitor",
    timestamp: new Date(+at + Math.floor(n / 2)),
  });
  await db.collection("messages").insertMany(Array.from({ length: 120 }, (_, n) => line(n)));
  await db.collection<{ _id: string; count: number }>("emoji_counts").insertMany([
    { _id: "🎉", count: 7 },
    { _id: "👍🏽", count: 9 },
    { _id: "❤️", count: 7 },
  ]);
  const env = { ...secrets, MONGODB_URL: url, REDIS_URL: redis.url, CACHE_WARM_UP: "off", CACHE_WAIT: "8s" };
  plain = await startChat({ env: { ...env, CACHES: "off", SERVER_ID: "plain" } });
  cached.push(...(await Promise.all([1, 2, 3].map((n) => startChat({ env: { ...env, SERVER_ID: `cached-${n}` } })))));
  visitor = createBrowser(plain.url);
  await visitor.register("visitor");
  // Nobody is connected, and that is put right after a start: what is compared must not change meanwhile.
  await until(async () => (await db.collection("users").countDocuments({ status: "online" })) === 0);
});
afterAll(async () => {
  await Promise.all([plain, ...cached].map((chat) => chat?.stop()));
  await client?.close();
  await redis?.close();
  await dropDatabase(url);
});

describe("three servers with caches, and one without", { timeout: 60_000 }, () => {
  it("answer the same bytes: cold, warm, from memory", async () => {
    await atDesk(["cache", "flush", "--reason", "a test"], { MONGODB_URL: url, REDIS_URL: redis.url });
    await expectSame();
    await believed();
    await expectSame();
    expect(await fromOf(plain, "/api/users")).toBe("bypass");
    await until(async () => near(await fromOf(cached[1] as Chat, "/api/channels/general/messages?limit=20")));
  });

  it("follow what is written at one of them, and past all", async () => {
    const made = await createBrowserAt(cached[2] as Chat).post("/api/channels", { name: "Fresh", type: "text" });
    expect(made.status).toBe(201);
    for (const chat of cached)
      await until(async () => (await bodyOf(chat, "/api/channels")).body.includes('"fresh"'), { timeoutMs: 15_000 });
    await db.collection("users").updateOne({ nickname: "visitor" }, { $set: { role: "moderator" } });
    const own = '"nickname":"visitor","role":"moderator"';
    for (const chat of cached) await until(async () => (await bodyOf(chat, "/api/users")).body.includes(own));
    await until(async () => expectSame().then(() => true));
  });

  it("answer the same bytes while Redis is frozen, gone, and back with nothing", async () => {
    redis.freeze();
    await expectSame();
    redis.thaw();
    await believed();
    await redis.kill();
    await expectSame();
    await redis.start();
    await expectSame();
    await believed();
    await expectSame();
  });
});

function createBrowserAt(chat: Chat): Browser {
  const browser = createBrowser(chat.url);
  browser.token = visitor.token;
  return browser;
}

describe("the operator", { timeout: 60_000 }, () => {
  const env = () => ({ MONGODB_URL: url, REDIS_URL: redis.url });
  const why = ["--reason", "a test", "--who", "ann"];

  it("sees what is kept, and what has befallen it", async () => {
    await believed();
    const { code, text, json } = await atDesk(["cache", "list", "--json"], env());
    expect([code, text]).toEqual([0, expect.any(String)]);
    expect(json.caches).toEqual(
      ["users", "channels", "messages", "whispers", "emoji"].map((name) => ({
        name,
        on: true,
        by: "environment",
        keys: expect.any(Number),
      })),
    );
    const explained = await atDesk(["cache", "explain", "users", "--json"], env());
    expect(explained.json).toMatchObject({ key: "cache:users:list", type: "zset", entries: 61 });
    expect(explained.json.events).toContainEqual(
      expect.objectContaining({ what: "fill complete", by: expect.stringMatching(/^cached-/) }),
    );
    expect((await atDesk(["cache", "list"], env())).text).toMatch(
      /^users +on \(environment\) +300 s +1 +cache:users:list$/m,
    );
  });

  it("switches one off and on again, on every server", async () => {
    const off = await atDesk(["cache", "disable", "users", ...why], env());
    expect(off.text).toMatch(/^The cache users is off\.\nAll 4 servers follow\.$/);
    for (const chat of cached) await until(async () => (await fromOf(chat, "/api/users")) === "bypass");
    await until(async () => near(await fromOf(cached[0] as Chat, "/api/channels")));
    await db.collection("users").updateOne({ nickname: "visitor" }, { $set: { role: "member" } });
    expect((await atDesk(["cache", "enable", "users", ...why], env())).code).toBe(0);
    await believed();
    await expectSame();
    expect((await atDesk(["history"], env())).text).toMatch(/cache users on +a test/);
    // The switch goes before the environment, and the short way is open to that cache, too.
    await until(async () => near(await fromOf(plain, "/api/users")));
    await until(async () => (await metric(plain, 'chat_change_stream_live{stream="access"}')) === 1);
    expect(await fromOf(plain, "/api/channels")).toBe("bypass");
  });

  it("finds each cache on the page of health, and in the metrics", async () => {
    const [chat] = cached as [Chat];
    const well = { componentId: "switch", observedValue: "on", status: "pass" };
    // A busy machine may keep it from being believed for a moment.
    await vi.waitFor(
      async () => {
        const { checks } = (await (await fetch(`${chat.url}/health/redis`)).json()) as Health;
        expect(checks["cache:users"]).toContainEqual(expect.objectContaining(well));
      },
      { timeout: 10_000 },
    );
    expect(await metric(chat, 'chat_cache_on{cache="emoji"}')).toBe(1);
    expect(await metric(chat, 'chat_cache_fills_total{cache="users",result="refused"}')).toBe(0);
    const hits = await metric(chat, 'chat_cache_requests_total{cache="channels",result="redis"}');
    const near = await metric(chat, 'chat_cache_requests_total{cache="channels",result="l1"}');
    expect(hits + near).toBeGreaterThan(0);
    expect(await metric(chat, 'chat_mongo_reads_saved_total{cache="channels"}')).toBe(hits + near);
  });
});
