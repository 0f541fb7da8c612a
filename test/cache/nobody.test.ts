import mongoose from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Standing } from "../../src/chat/services/types.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { type ChatInstance, startChatInstance } from "../support/chat-instance.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("nobody");
let redis: RedisServer;
let chat: ChatInstance;
let db: mongoose.mongo.Db;

beforeAll(async () => {
  await migrateAtStart({ url, sessionCollection: "sessions", log: createRecorder() });
  redis = await startRedisServer();
  chat = await startChatInstance({ mongoUrl: url, redisUrl: redis.url });
  ({ db } = chat.mongo);
  await chat.trusting();
});
afterAll(async () => {
  await chat?.close();
  await redis?.close();
  await dropDatabase(url);
});

const dropsOf = (cache: string) => Object.keys(chat.counts).filter((name) => name.startsWith(`drop ${cache} `));
const person = (more: object) => ({
  ...{ email: `${new mongoose.Types.ObjectId()}@nobody`, password: "odd", role: "member", status: "offline" },
  ...more,
});

/** What is written afterwards has come into Redis, so what was written before has been looked at. */
async function named(nickname: string): Promise<mongoose.mongo.ObjectId> {
  const { insertedId } = await db.collection("users").insertOne(person({ nickname, lastActive: new Date() }));
  await until(async () => (await chat.services.users.list()).some((one) => one.nickname === nickname));
  return insertedId;
}

it("who has no name is changed again and again, and the list of the others stays in Redis", async () => {
  const users = db.collection("users");
  await named("ann");
  const { insertedId } = await users.insertOne(person({ lastActive: new Date() }));
  const held = () => redis.ask("EXISTS", "cache:users:list");
  await until(async () => (await chat.services.users.list()) && (await held()) === 1);
  for (let times = 1; times <= 3; times += 1) {
    await users.updateOne({ _id: insertedId }, { $set: { lastActive: new Date() } });
    await until(async () => ((await users.findOne({ _id: insertedId }))?.rev ?? 0) >= times);
    // As a server does for somebody whose document has lost its name.
    await chat.services.users.touch(insertedId.toHexString(), new Date());
    await named(`after ${times}`);
  }
  await until(async () => ((await users.findOne({ _id: insertedId }))?.rev ?? 0) >= 6);
  expect(dropsOf("users")).toEqual([]);
  expect(await held()).toBe(1);
}, 30_000);

it("who loses the name is in no list any more, and who gets one is in it", async () => {
  const nicknames = async () => (await chat.services.users.list()).map(({ nickname }) => nickname);
  const _id = await named("bob");
  await db.collection("users").updateOne({ _id }, { $set: { nickname: 13 } });
  await until(async () => !(await nicknames()).includes("bob"));
  await db.collection("users").updateOne({ _id }, { $set: { nickname: "bob again" } });
  await until(async () => (await nicknames()).includes("bob again"));
}, 30_000);

it("who has no name is not found, not listed and not moderated", async () => {
  const { moderation, users } = chat.services;
  const { insertedId } = await db.collection("users").insertOne(person({ nickname: "" }));
  const found = await moderation.listUsers(1, 100);
  const nicknames = found.users.map(({ nickname }) => nickname);
  expect(nicknames).toContain("ann");
  expect(nicknames.filter((nickname) => !nickname)).toEqual([]);
  expect(await users.byNickname("")).toBeNull();
  const moderator = { id: new mongoose.Types.ObjectId().toHexString(), nickname: "ann" } as Standing;
  await expect(moderation.mute(moderator, insertedId.toHexString(), 60)).rejects.toMatchObject({
    code: "USER_UNKNOWN",
  });
});

it("who has no name is not let in, for every answer after that would be a refusal", async () => {
  const { accounts } = chat.services;
  const email = "carol@nobody";
  await accounts.register({ nickname: "carol", email, password: "correct horse" });
  expect(await accounts.login(email, "correct horse")).toMatchObject({ kind: "welcome" });
  await db.collection("users").updateOne({ email }, { $set: { nickname: 14 } });
  expect(await accounts.login(email, "correct horse")).toBeNull();
});

it("a channel whose id is a list is no channel", async () => {
  const { channels } = chat.services;
  await db.collection("channels").insertOne({ id: ["many"], name: "Many", type: "text", createdBy: "ann" });
  expect(await channels.byId("many")).toBeNull();
  expect((await channels.accessOf(["many", "general"])).map(({ id }) => id)).toEqual(["general"]);
});

it("an emoji that no number can count is used, and the counts of the others stay in Redis", async () => {
  const counts = db.collection<{ _id: string; count: number }>("emoji_counts");
  const { emoji } = chat.services;
  const shown = async () => (await emoji.classics(10)).map((use) => `${use.emoji} ${use.count}`);
  await counts.insertMany([
    { _id: "🎉", count: 7 },
    { _id: "🍀", count: 1.5 },
    { _id: "👍", count: 1e17 },
  ]);
  await until(async () => (await shown()).join() === "🎉 7,🍀 1.5", { describe: shown });
  // Who reads while Redis is not believed yet fills nothing.
  await until(async () => (await shown()).length === 2 && (await redis.ask("EXISTS", "cache:emoji:classics")) === 1);
  const before = dropsOf("emoji");
  for (const [many, times] of [8, 9, 10].entries()) {
    await counts.updateOne({ _id: "👍" }, { $set: { count: 2e17 + many * 1e10 } });
    await counts.updateOne({ _id: "🍀" }, { $set: { count: times + 0.5 } });
    await counts.updateOne({ _id: "🎉" }, { $set: { count: times } });
    await emoji.classics(10);
    await until(async () => (await shown()).includes(`🎉 ${times}`) && (await shown()).includes(`🍀 ${times + 0.5}`), {
      describe: shown,
    });
  }
  expect(dropsOf("emoji").filter((name) => !before.includes(name) && !/has not reached/.test(name))).toEqual([]);
  expect((await shown()).join()).not.toContain("👍");
}, 30_000);
