import { afterAll, beforeAll, it } from "vitest";
import { type CacheMemory, createCacheMemory } from "../../src/cache/memory.ts";
import { type ChatAnswers, createChatAnswers, updates } from "../../src/chat/hot/answers.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { type ChatInstance, startChatInstance } from "../support/chat-instance.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("cache-past");
let redis: RedisServer;
let both: { chat: ChatInstance; memory: CacheMemory; answers: ChatAnswers }[] = [];

async function start() {
  const chat = await startChatInstance({ mongoUrl: url, redisUrl: redis.url, timing: { epochTrust: 3_000 } });
  const { door, services, caches, room } = chat;
  const memory = createCacheMemory({
    door,
    caches: room,
    topics: updates,
    limitBytes: 1_000_000,
    heartbeatMs: 100,
    silenceMs: 5_000,
  });
  return { chat, memory, answers: createChatAnswers({ services, caches, memory, config: { HISTORY_LIMIT: 50 } }) };
}

beforeAll(async () => {
  await migrateAtStart({ url, sessionCollection: "sessions", log: createRecorder() });
  redis = await startRedisServer();
  both = [await start(), await start()];
  for (const { chat } of both) await chat.trusting();
});
afterAll(async () => {
  for (const { chat, memory } of both) {
    await memory.close();
    await chat.close();
  }
  await redis?.close();
  await dropDatabase(url);
});

it("what nobody's server has stored is shown by every instance, also by those that had the list in memory", async () => {
  const shown = async ({ answers }: (typeof both)[number]) => {
    const { value, from } = await answers.channels.read("");
    return { text: String(value.raw), from };
  };
  const warm = () => until(async () => (await Promise.all(both.map(shown))).every(({ from }) => from === "l1"));
  for (const name of ["first", "second", "third"]) {
    await warm();
    const made = { id: `past-${name}`, name, type: "text", position: 9, createdBy: "old", createdAt: new Date() };
    await both[0]?.chat.mongo.db.collection("channels").insertOne(made);
    await until(async () => (await Promise.all(both.map(shown))).every(({ text }) => text.includes(made.id)), {
      timeoutMs: 15_000,
      describe: () => `${name}, on both`,
    });
  }
}, 60_000);
