import { Types } from "mongoose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createCacheMemory } from "../../src/cache/memory.ts";
import { updates } from "../../src/chat/hot/answers.ts";
import { createHistories } from "../../src/chat/hot/histories.ts";
import { messageModel } from "../../src/chat/models/message.ts";
import { createMessages } from "../../src/chat/services/messages.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { migrateAtStart } from "../../src/mongo/migrate.ts";
import { type ChatInstance, holdLoads, startChatInstance } from "../support/chat-instance.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { patient } from "../support/door.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("whispers");
const limit = 20;
let redis: RedisServer;
/** Follows what is done past the servers; the other does not, so that only what is written with a message can tell it. */
let one: ChatInstance;
let deaf: ChatInstance;

const rooms = (
  (n) => () =>
    `room-${++n}`
)(0);
const marks = (room: string) => redis.ask("HGETALL", `cache:messages:whispers:${room}`) as Promise<string[]>;
const say = (by: ChatInstance, room: string, text: string) =>
  by.services.messages.add({ author: "ann", room, text, type: "public" });
const whisper = (by: ChatInstance, room: string, target: string, text = "psst") =>
  by.services.messages.add({ author: "ann", room, text, type: "private", target });
const texts = async (by: ChatInstance, room: string, reader: string) =>
  (await by.services.messages.recent(room, reader)).map(({ text }) => text);
const raw = (room: string, more: object) => ({
  _id: new Types.ObjectId(),
  author: "old",
  text: "past",
  channel: room,
  type: "private",
  target: "bob",
  timestamp: new Date(),
  ...more,
});
const stored = () => one.mongo.db.collection("messages");
/** How many private messages of whoever this one has heard of. */
const pushed = () =>
  ["changed", "same", "missing"].reduce((sum, how) => sum + (one.counts[`push whispers ${how}`] ?? 0), 0);

beforeAll(async () => {
  await migrateAtStart({ url, sessionCollection: "sessions", log: createRecorder() });
  redis = await startRedisServer();
  // A busy machine is not Redis's fault.
  const env = { HISTORY_LIMIT: `${limit}`, CACHE_WAIT: "5s", CACHE_AUDIT: "0", ...patient };
  const common = { mongoUrl: url, redisUrl: redis.url, env, timing: { epochTrust: 8_000 } };
  one = await startChatInstance(common);
  deaf = await startChatInstance({ ...common, declared: ({ follow: _, ...rest }) => rest });
});
beforeEach(async () => {
  await Promise.all([one.trusting(), deaf.trusting()]);
});
afterAll(async () => {
  await Promise.all([one?.close(), deaf?.close()]);
  await redis?.close();
  await dropDatabase(url);
});

/** What is asked of MongoDB about a room while `work` is done. */
async function asked(by: ChatInstance, room: string, work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  const note = ({ commandName, command }: { commandName: string; command: object }) => {
    if (JSON.stringify(command).includes(`"${room}"`)) seen.push(commandName);
  };
  by.mongo.client.on("commandStarted", note);
  await work().finally(() => by.mongo.client.off("commandStarted", note));
  return seen;
}

/** On a busy machine MongoDB may be asked in between, lest something old be shown. */
const quietly = (by: ChatInstance, room: string, work: () => Promise<unknown>) =>
  until(async () => (await asked(by, room, work)).length === 0, { describe: `${room} without a question to MongoDB` });

describe("a history", () => {
  it("asks MongoDB nothing for who has no private message in it, be it short, full or long", async () => {
    for (const count of [0, 3, limit, limit + 5]) {
      const room = rooms();
      await stored().insertOne(raw(room, { target: "ann", author: "ann", timestamp: new Date(Date.now() - 90_000) }));
      for (let n = 0; n < count; n += 1) await say(one, room, `${n}`);
      const newest = Array.from({ length: Math.min(count, limit) }, (_, n) => `${count - Math.min(count, limit) + n}`);
      for (const by of [deaf, one]) {
        expect(await texts(by, room, "bob")).toEqual(newest);
        await quietly(by, room, async () => expect(await texts(by, room, "bob")).toEqual(newest));
        // The last page has nothing before it, the others have.
        if (count !== limit)
          await quietly(by, room, async () => {
            const { messages, before } = await by.services.messages.page(room, "bob", { limit });
            expect(messages.map(({ text }) => text)).toEqual(newest);
            expect(before === null).toBe(count < limit);
          });
        const { before } = await by.services.messages.page(room, "bob", { limit: 3 });
        expect(before === null).toBe(count <= 3);
      }
      // An old private message is no reason to ask, where the newest ones are many.
      const reads = async () =>
        expect(await texts(one, room, "ann")).toEqual(count < limit ? ["past", ...newest] : newest);
      if (count < limit) await reads();
      else await quietly(one, room, reads);
    }
  });

  it("shows a private message to its two people at once, whoever stored it, wherever they read", async () => {
    const room = rooms();
    await say(one, room, "hello");
    for (const by of [one, deaf]) await quietly(by, room, () => texts(by, room, "bob"));
    await whisper(one, room, "bob", "first");
    for (const by of [deaf, one])
      for (const reader of ["bob", "ann"]) expect(await texts(by, room, reader)).toEqual(["hello", "first"]);
    await whisper(deaf, room, "eve", "second");
    for (const by of [deaf, one]) expect(await texts(by, room, "eve")).toEqual(["hello", "second"]);
    expect(await texts(deaf, room, "zoe")).toEqual(["hello"]);
    const there = await marks(room);
    expect(there).toEqual(expect.arrayContaining(["=ann", "=bob", "=eve", "since"]));
    expect(there.join()).not.toMatch(/first|second/);
  });

  it("shows what was stored while the marks were being filled", async () => {
    const room = rooms();
    const { declared, release } = holdLoads("whispers");
    const slow = await startChatInstance({
      mongoUrl: url,
      redisUrl: redis.url,
      env: { HISTORY_LIMIT: `${limit}`, CACHE_WAIT: "100ms", ...patient },
      declared: ({ follow: _, ...rest }) => declared(rest),
    });
    try {
      await slow.trusting();
      const filling = slow.caches.whispers.read(room, { ids: [] });
      await until(async () => (await marks(room)).length > 0);
      await whisper(deaf, room, "bob");
      release();
      await filling;
      for (const by of [deaf, slow]) expect(await texts(by, room, "bob")).toEqual(["psst"]);
      await quietly(deaf, room, async () => expect(await texts(deaf, room, "eve")).toEqual([]));
    } finally {
      release();
      await slow.close();
    }
  });

  it("shows private messages that others have stored, hidden or moved past every server", async () => {
    const room = rooms();
    await say(one, room, "hello");
    for (const by of [deaf, one]) await quietly(by, room, () => texts(by, room, "bob"));
    const message = raw(room, {});
    const before = pushed();
    await stored().insertOne(message);
    // Who deletes it before a server has heard of it leaves a mark behind, for as long as a mark lives.
    await until(() => pushed() > before);
    await until(async () => (await texts(deaf, room, "bob")).join() === "hello,past");
    await stored().updateOne({ _id: message._id }, { $set: { target: "eve" } });
    await until(async () => (await texts(deaf, room, "eve")).join() === "hello,past");
    await stored().deleteOne({ _id: message._id });
    // Nobody is asked for any more, once it is known to be gone.
    await until(async () => !(await marks(room)).includes("=eve"));
    for (const reader of ["bob", "eve"]) expect(await texts(deaf, room, reader)).toEqual(["hello"]);
  });

  it("shows the private ones of a channel that has more than are marked", async () => {
    const room = rooms();
    const at = Date.now() - 3_600_000;
    await stored().insertOne(raw(room, { target: "bob", text: "long ago", timestamp: new Date(at - 1_000) }));
    await stored().insertMany(
      Array.from({ length: 1_000 }, (_, n) => raw(room, { target: "eve", timestamp: new Date(at + n) })),
    );
    await say(one, room, "hello");
    for (const by of [one, deaf]) expect(await texts(by, room, "bob")).toEqual(["long ago", "hello"]);
    expect((await asked(one, room, () => texts(one, room, "bob"))).length).toBeGreaterThan(0);
    for (let n = 1; n < limit; n += 1) await say(one, room, "hello");
    await quietly(one, room, async () => expect(await texts(one, room, "bob")).toEqual(Array(limit).fill("hello")));
  });
});

function sharedMemory() {
  const memory = createCacheMemory({
    door: one.door,
    caches: one.room,
    topics: updates,
    limitBytes: 1_000_000,
    heartbeatMs: 100,
    silenceMs: 5_000,
  });
  memory.share(one.caches.messages, "updates:messages");
  return memory;
}

it("the page that is one for all is given to nobody who has a private message on it", async () => {
  const memory = sharedMemory();
  try {
    const room = rooms();
    const histories = createHistories({ caches: one.caches, memory, historyLimit: limit });
    const page = async (reader: string): Promise<string[] | undefined> => {
      const found = await histories.read(room, reader);
      return found && JSON.parse(String(found.value.raw)).messages.map(({ text }: { text: string }) => text);
    };
    /** On a busy machine there may be none for a moment. */
    const shown = (reader: string) => until(() => page(reader));
    for (const text of ["a", "b"]) await say(one, room, text);
    for (const reader of ["bob", "eve"]) expect(await shown(reader)).toEqual(["a", "b"]);
    await whisper(deaf, room, "bob");
    for (const reader of ["bob", "ann"]) expect(await page(reader)).toBeUndefined();
    expect(await shown("eve")).toEqual(["a", "b"]);
    await say(one, room, "c");
    expect(await shown("eve")).toEqual(["a", "b", "c"]);
    // A page that needs more than the cache has.
    for (let n = 3; n < limit; n += 1) await say(one, room, `${n}`);
    expect(await page("eve")).toBeUndefined();
  } finally {
    await memory.close();
  }
});

it("what was whispered while a page was read is known before what was said after it", async () => {
  const { caches, services, mongo } = one;
  let said = 0;
  async function late<T>(room: string, read: (room: string) => T | Promise<T>): Promise<T> {
    said += 1;
    await whisper(one, room, "bob", `psst ${said}`);
    await say(one, room, `after ${said}`);
    return read(room);
  }
  const read = (room: string) => late(room, (key) => caches.messages.read(key));
  const cache: typeof caches.messages = Object.create(caches.messages, { read: { value: read } });
  const messages = createMessages({
    messages: messageModel(mongo.connection),
    historyLimit: limit,
    clock: systemClock,
    emoji: services.emoji,
    cache,
    whispers: caches.whispers,
  });
  const memory = sharedMemory();
  const derive: typeof memory.derive = (...args) => {
    const pages = memory.derive(...args);
    return { ...pages, read: (key: string) => late(key, (room) => pages.read(room)) };
  };
  try {
    const listed = rooms();
    await quietly(one, listed, () => texts(one, listed, "bob"));
    const shown = await messages.recent(listed, "bob");
    expect(shown.map(({ text }) => text)).toEqual(["psst 1", "after 1"]);

    const paged = rooms();
    await quietly(one, paged, () => texts(one, paged, "bob"));
    const histories = createHistories({ caches, memory: { derive }, historyLimit: limit });
    expect(await histories.read(paged, "bob")).toBeUndefined();
    await until(async () => String((await histories.read(paged, "eve"))?.value.raw).includes("after 2"));
  } finally {
    await memory.close();
  }
});

it("a mark that is missing or too many is found by the auditor, and thrown away", async () => {
  const room = rooms();
  const auditing = await startChatInstance({
    mongoUrl: url,
    redisUrl: redis.url,
    env: { HISTORY_LIMIT: `${limit}`, CACHE_AUDIT: "100", ...patient },
    declared: ({ follow: _, ...rest }) => rest,
  });
  const key = `cache:messages:whispers:${room}`;
  try {
    await auditing.trusting();
    const before = pushed();
    await whisper(auditing, room, "bob");
    // What follows MongoDB would mend it.
    await until(() => pushed() > before);
    for (const spoil of [() => redis.ask("HDEL", key, "=bob"), () => redis.ask("HSET", key, "=eve", Date.now())]) {
      await until(async () => (await marks(room)).includes("=bob") || void (await texts(auditing, room, "bob")));
      const before = auditing.counts["audit whispers stale"] ?? 0;
      await spoil();
      await until(
        async () => {
          await texts(auditing, room, "zoe");
          return (auditing.counts["audit whispers stale"] ?? 0) > before;
        },
        { timeoutMs: 15_000, describe: () => auditing.counts },
      );
      expect(await texts(auditing, room, "bob")).toEqual(["psst"]);
    }
  } finally {
    await auditing.close();
  }
}, 60_000);
