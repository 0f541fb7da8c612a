import { afterAll, beforeAll, expect, it } from "vitest";
import type { Declaration } from "../../src/cache/declaration.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { type ChatInstance, startChatInstance } from "../support/chat-instance.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("unread");
let redis: RedisServer;
let chat: ChatInstance;

/** Declarations that cannot make anything of what says so. */
function declared<Entry, Slice>(declaration: Declaration<Entry, Slice>): Declaration<Entry, Slice> {
  const { follow, element } = declaration;
  const told = (what: unknown, word: string) => {
    if (JSON.stringify(what).includes(word)) throw new TypeError(`${word} cannot be made out`);
  };
  return {
    ...declaration,
    element(entry) {
      told(entry, "unheld");
      return element(entry);
    },
    ...(follow && {
      follow: {
        ...follow,
        read(change) {
          told(change, "unread");
          return follow.read(change);
        },
      },
    }),
  };
}

beforeAll(async () => {
  await migrateAtStart({ url, sessionCollection: "sessions", log: createRecorder() });
  redis = await startRedisServer();
  chat = await startChatInstance({ mongoUrl: url, redisUrl: redis.url, declared });
  await chat.trusting();
});
afterAll(async () => {
  await chat?.close();
  await redis?.close();
  await dropDatabase(url);
});

it("a change that cannot be read is passed, and what it may have made old is filled anew", async () => {
  const channels = chat.mongo.db.collection("channels");
  const made = (id: string) => ({ id, name: id, type: "text", position: 9, createdBy: "old", createdAt: new Date() });
  const shown = async () => (await chat.services.channels.list()).map(({ id }) => id);
  await shown();
  for (const id of ["unread-1", "unread-2", "read"]) {
    await channels.insertOne(made(id));
    await until(async () => (await shown()).includes(id), { timeoutMs: 10_000, describe: shown });
  }
  await chat.trusting();
  const before = chat.counts["request channels redis"] ?? 0;
  await until(async () => (await shown()) && (chat.counts["request channels redis"] ?? 0) > before);
  expect(chat.log.said("warn", /change in MongoDB cannot be read/).map(({ fields }) => fields)).toEqual([
    expect.objectContaining({ cache: "channels", collection: "channels", operationType: "insert" }),
  ]);
}, 30_000);

it("what is beside something that Redis cannot hold is shown all the same", async () => {
  const messages = chat.mongo.db.collection("messages");
  const shown = async () => (await chat.services.messages.recent("beside", "ann")).map(({ text }) => text);
  const line = (text: string) => ({ author: "ann", text, channel: "beside", type: "public", timestamp: new Date() });
  await messages.insertOne(line("first"));
  await until(async () => (await shown()).length === 1);
  await until(async () => (await redis.ask("EXISTS", "cache:messages:recent:beside")) === 1);
  await messages.insertMany([line("good"), line("unheld"), line("too")]);
  await until(async () => (await shown()).length === 4, { timeoutMs: 10_000, describe: shown });
  expect((await shown()).sort()).toEqual(["first", "good", "too", "unheld"]);
}, 30_000);
