import mongoose from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createTrust, epochId } from "../../src/cache/trust.ts";
import type { CacheEvents } from "../../src/cache/types.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createEvents } from "../../src/kernel/events.ts";
import { usualEpochTiming } from "../../src/mongo/epoch.ts";
import { createEpochLooks } from "../../src/mongo/epoch-looks.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("trust");
let redis: RedisServer;
let client: mongoose.mongo.MongoClient;
let opened: OpenedDoor;

beforeAll(async () => {
  redis = await startRedisServer();
  client = await mongoose.mongo.MongoClient.connect(url);
});
afterAll(async () => {
  await opened?.close();
  await redis?.close();
  await client?.close();
  await dropDatabase(url);
});

it("who reads nothing from Redis makes nothing old by coming, until it reads", async () => {
  const db = client.db();
  const looks = createEpochLooks(db);
  let looked = 0;
  const counted = {
    ...looks,
    soon() {
      looked += 1;
      return looks.soon();
    },
  };
  let reads = false;
  opened = openDoor({ REDIS_URL: redis.url, ...patient });
  const trust = createTrust({
    ...{ db, door: opened.door, clock: systemClock, looks: counted, log: createRecorder() },
    timing: { ...usualEpochTiming, epochPoll: 5, bumpEvery: 5 },
    events: createEvents<CacheEvents>(),
    reads: () => reads,
  });
  try {
    await opened.is("up");
    await until(() => trust.epoch.value > 0);
    const stored = () => db.collection<{ _id: string; value: number }>("sluice_epochs").findOne({ _id: epochId });
    const before = (await stored())?.value;
    const from = looked;
    await until(() => looked > from + 10);
    expect((await stored())?.value).toBe(before);
    reads = true;
    await until(async () => (await stored())?.value !== before);
  } finally {
    await trust.close();
  }
});
