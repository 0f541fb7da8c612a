import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Group, startGroup } from "../support/group.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { createEar, credentialsOf, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { oddDocuments } from "./odd-world.ts";

const url = mongoUrl("odd-documents");
/** The second has its caches off: what it answers is what MongoDB alone would. */
const [cached, plain] = [0, 1];
let redis: RedisServer;
let group: Group;
let client: mongoose.mongo.MongoClient;
let db: mongoose.mongo.Db;
let visitor: Browser;

beforeAll(async () => {
  redis = await startRedisServer();
  client = await mongoose.mongo.MongoClient.connect(url);
  db = client.db();
  group = await startGroup({
    count: 2,
    env: { MONGODB_URL: url, REDIS_URL: redis.url },
    own: (index) => (index === plain ? { CACHES: "false" } : {}),
  });
  visitor = createBrowser(group.at(cached).url);
  await visitor.register("visitor");
}, 120_000);
afterAll(async () => {
  await group?.close();
  await redis?.close();
  await client?.close();
  await dropDatabase(url);
});

async function ask(index: number, path: string) {
  const answer = await fetch(group.at(index).url + path, { headers: { Authorization: `Bearer ${visitor.token}` } });
  return { status: answer.status, from: answer.headers.get("x-cache") ?? "", body: await answer.text() };
}

/** Page after page, to the end. */
async function pages(index: number, path: string, cursor: "before" | "cursor"): Promise<string[]> {
  const found: string[] = [];
  for (let next: string | null = ""; next !== null; ) {
    const { status, body } = await ask(index, `${path}${next && `&${cursor}=${next}`}`);
    expect(status, `${path}: ${body}`).toBe(200);
    found.push(body);
    next = JSON.parse(body)[cursor];
  }
  return found;
}

const lists = ["/api/users", "/api/channels", "/api/emoji/classics", "/api/channels/odd/messages"];

async function shownBy(index: number): Promise<unknown> {
  const whole = await Promise.all(lists.map((path) => ask(index, path)));
  return {
    ...Object.fromEntries(whole.map(({ status, body }, at) => [lists[at], `${status} ${body}`])),
    users: await pages(index, "/api/users?sort=lastActive&limit=2", "cursor"),
    messages: await pages(index, "/api/channels/odd/messages?limit=2", "before"),
  };
}

async function same(): Promise<void> {
  await until(async () => JSON.stringify(await shownBy(cached)) === JSON.stringify(await shownBy(plain)), {
    timeoutMs: 10_000,
    describe: "the same answers with the caches on and off",
  }).catch(async () => expect(await shownBy(cached)).toEqual(await shownBy(plain)));
}

/** All that is asked for comes from the caches, which so have gone on. */
const fromCaches = () =>
  until(
    async () => {
      const all = await Promise.all(lists.map((path) => ask(cached, path)));
      return all.every(({ from }) => from === "redis" || from === "l1");
    },
    {
      timeoutMs: 20_000,
      describe: async () => (await Promise.all(lists.map((path) => ask(cached, path)))).map(({ from }) => from),
    },
  );

async function historyOf(index: number): Promise<unknown[]> {
  const ear = createEar(group.at(index).url, credentialsOf(visitor));
  try {
    expect(await open(ear)).toBe("connected");
    return (await ear.join("odd")).filter(({ type }) => type !== "system");
  } finally {
    ear.close();
  }
}

const said = (text: string, more: object = {}) =>
  db.collection("messages").insertOne({
    ...{ author: "ann", text, channel: "odd", type: "public", target: null, timestamp: new Date() },
    ...more,
  });

describe("with a document that is not what it should be in every collection", () => {
  it("every answer is the one of MongoDB alone, and the caches go on", async () => {
    await visitor.post("/api/channels", { name: "odd", type: "text" });
    await said("one");
    await fromCaches();
    await oddDocuments(db, { room: "odd", reader: "visitor" });
    await said("two");
    await until(async () => (await ask(cached, "/api/channels/odd/messages")).body.includes('"two"'));
    await same();
    await fromCaches();
    const { body: users } = await ask(cached, "/api/users");
    expect(JSON.parse(users).map((one: { nickname: string }) => one.nickname)).toEqual([
      ...["a future", "a past", "a shell", "a text", "visitor"],
    ]);
    const { body: channels } = await ask(cached, "/api/channels");
    expect(JSON.parse(channels).map(({ id }: { id: string }) => id)).toEqual([
      ...["no-position", "text-position", "general", "voice-chat", "odd", "text-date", "no-name"],
    ]);
    const { body: messages } = await ask(cached, "/api/channels/odd/messages");
    const shown = JSON.parse(messages).messages.map(({ author, text }: { author: string; text: string }) => [
      author,
      text,
    ]);
    expect(shown).toEqual([
      ["ann", "no date"],
      ["ann", ""],
      ["System", "no author"],
      ["visitor", "mine"],
      ["ann", "one"],
      ["ann", "two"],
    ]);
  }, 60_000);

  it("history comes over the socket, and is the same", async () => {
    const history = await historyOf(cached);
    expect(history).toHaveLength(6);
    expect(await historyOf(plain)).toEqual(history);
  }, 30_000);

  it("it is the same from a cold start, and when what was odd is changed and deleted", async () => {
    await redis.ask("FLUSHALL");
    await same();
    await db.collection("users").updateOne({ nickname: "a shell" }, { $set: { nickname: 13 } });
    await db.collection("users").updateOne({ nickname: "a text" }, { $set: { lastActive: new Date() } });
    await db.collection("messages").updateOne({ text: "a text date" }, { $set: { timestamp: new Date() } });
    await db.collection("messages").updateOne({ text: "two" }, { $set: { timestamp: String(new Date()) } });
    await same();
    expect((await ask(cached, "/api/users")).body).not.toContain("a shell");
    expect((await ask(cached, "/api/channels/odd/messages")).body).toContain("a text date");
    await db.collection("channels").deleteMany({ createdBy: "a shell" });
    await db.collection("users").deleteMany({ password: "odd" });
    await db.collection("messages").deleteMany({ author: { $ne: "ann" } });
    await same();
    await fromCaches();
  }, 60_000);
});

it("a message without a time stands before all others, whenever it was stored", async () => {
  await fromCaches();
  await db.collection("messages").insertMany([
    { author: "ann", text: "timeless", channel: "odd", type: "public" },
    { author: "ann", text: "untimely", channel: "odd", type: "private", target: "visitor", timestamp: null },
  ]);
  const { messages } = JSON.parse((await ask(plain, "/api/channels/odd/messages")).body);
  expect(messages.map((one: { text: string }) => one.text).slice(0, 3)).toEqual(["no date", "timeless", "untimely"]);
  await same();
  await db.collection("messages").deleteMany({ timestamp: null });
  await same();
}, 60_000);

it("a message beside one that cannot be read is shown", async () => {
  await fromCaches();
  await db.collection("messages").insertMany([
    { author: "ann", text: "beside", channel: "odd", type: "public", timestamp: new Date() },
    { author: "ann", text: "unread", channel: "odd", type: "public", timestamp: String(new Date()) },
  ]);
  await until(async () => (await ask(cached, "/api/channels/odd/messages")).body.includes("beside"));
  await same();
}, 30_000);
