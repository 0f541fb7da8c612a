import mongoose from "mongoose";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createTrust, epochId } from "../../src/cache/trust.ts";
import type { CacheEvents } from "../../src/cache/types.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createEvents } from "../../src/kernel/events.ts";
import { usualEpochTiming } from "../../src/mongo/epoch.ts";
import { createEpochLooks } from "../../src/mongo/epoch-looks.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { openDoor, patient } from "../support/door.ts";
import { createEnds } from "../support/ends.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("trust");
let redis: RedisServer;
let client: mongoose.mongo.MongoClient;
const ends = createEnds();

beforeAll(async () => {
  redis = await startRedisServer();
  client = await mongoose.mongo.MongoClient.connect(url);
});
afterEach(() => ends.close());
afterAll(async () => {
  await redis?.close();
  await client?.close();
  await dropDatabase(url);
});

/** Who goes by an epoch that is there already: making the first one may be what Redis' coming asks for, too. */
async function start(reads: () => boolean) {
  const db = client.db();
  const epochs = db.collection<{ _id: string; value: number; at: Date; why: string }>("sluice_epochs");
  await epochs.updateOne(
    { _id: epochId },
    { $setOnInsert: { value: 1, at: new Date(), why: "a test" } },
    { upsert: true },
  );
  const looks = createEpochLooks(db);
  let looked = 0;
  const counted = {
    ...looks,
    soon() {
      looked += 1;
      return looks.soon();
    },
  };
  const { door, ...opened } = openDoor({ REDIS_URL: redis.url, ...patient });
  ends.add(opened);
  const trust = ends.add(
    createTrust({
      ...{ db, door, clock: systemClock, looks: counted, log: createRecorder(), reads },
      timing: { ...usualEpochTiming, epochPoll: 5, bumpEvery: 5 },
      events: createEvents<CacheEvents>(),
    }),
  );
  await opened.is("up");
  await until(() => trust.epoch.value > 0);
  return {
    trust,
    door,
    stored: async () => (await epochs.findOne({ _id: epochId }))?.value,
    /** Whatever was due then has been made. */
    async lookedOften() {
      const from = looked;
      await until(() => looked > from + 10);
    },
  };
}

it("who reads nothing from Redis makes nothing old by coming, until it reads", async () => {
  let reads = false;
  const { stored, lookedOften } = await start(() => reads);
  const before = await stored();
  await lookedOften();
  expect(await stored()).toBe(before);
  reads = true;
  await until(async () => (await stored()) !== before);
});

it("who only writes, and could not tell Redis of it, makes all old as soon as Redis is back", async () => {
  const { trust, door, stored, lookedOften } = await start(() => false);
  await redis.kill();
  await until(() => door.state !== "up");
  await lookedOften();
  trust.unable("a write");
  await lookedOften();
  const before = await stored();
  await redis.start();
  await until(async () => (await stored()) !== before);
});
