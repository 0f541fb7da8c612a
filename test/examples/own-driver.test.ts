import express from "express";
import * as six from "mongodb-6";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cacheAside, openCaches } from "../../src/cache/index.ts";
import { ourDb, ourDbOf } from "../../src/mongo/given.ts";
import { rolloutStore, type SessionStore } from "../../src/sessions/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { callsOf, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const drivers = { "the driver 6": six.MongoClient, "our driver": mongoose.mongo.MongoClient };
const day = 86_400_000;

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis?.close());

describe.each(Object.entries(drivers))("an app that brings %s", (name, Client) => {
  const url = mongoUrl(`own-driver-${name}`);
  const ends: (() => unknown)[] = [];
  let client: InstanceType<typeof Client>;
  let store: SessionStore;

  beforeAll(async () => {
    client = new Client(url);
    store = rolloutStore({ client, redis: redis.url, prefix: `${name}:`, dial: { percent: 100 }, stepDown: false });
    ends.push(() => store.close());
    await until(() => store.stats().readingFrom === "redis", { describe: () => store.stats() });
  });
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
    await client?.close();
    await dropDatabase(url);
  });

  it("has its sessions read from Redis", async () => {
    const calls = callsOf(store);
    await calls.set("ann", sessionOf(day, { nickname: "ann" }));
    let from = "";
    store.events.on("operation", ({ op, store: at }) => {
      if (op === "get") from = at;
    });
    await until(async () => {
      expect(await calls.get("ann")).toMatchObject({ nickname: "ann" });
      return from === "redis";
    });
  });

  it("is asked at the primary, whatever its URL says", () => {
    const elsewhere = new Client(`${url}&readPreference=secondary`);
    for (const db of [ourDbOf(elsewhere), ourDb(elsewhere.db())])
      expect(db.collection("sessions").readPreference?.mode).toBe("primary");
  });

  it.each([16.5, 17])("knows a write of %d MB, which MongoDB refuses, from one without an answer", async (mb) => {
    const { epoch } = store.stats();
    const large = "x".repeat(mb * 2 ** 20);
    await expect(callsOf(store).set("large", sessionOf(day, { large }))).rejects.toThrow();
    expect(store.stats().epochDue).toBe(false);
    expect(store.stats().epoch).toBe(epoch);
  });

  it("may write one session at once from two processes", async () => {
    const beside = rolloutStore({ client, redis: redis.url, prefix: `${name}:`, stepDown: false });
    ends.push(() => beside.close());
    const both = [callsOf(store), callsOf(beside)];
    for (let turn = 0; turn < 60; turn += 1)
      await Promise.all(both.map((calls) => calls.set(`new-${turn}`, sessionOf(day, { turn }))));
  });

  it("has its caches read from Redis", async () => {
    const caches = openCaches({ db: client.db(), redis: redis.url, memoryMb: 0 });
    ends.push(() => caches.close());
    const app = express();
    const cache = caches.create<{ of: string }>({ name: `of-${name.replaceAll(" ", "-")}`, ttlSeconds: 60 });
    app.get("/", cacheAside({ cache, key: () => "one", load: async () => ({ of: name }) }));
    const server = app.listen(0, "127.0.0.1");
    ends.push(() => server.close());
    await new Promise((listening) => server.once("listening", listening));
    const { port } = server.address() as { port: number };
    await until(async () => (await fetch(`http://127.0.0.1:${port}/`)).headers.get("x-cache") === "redis");
  });
});

it("two databases whose apps lose one Redis at the same time do not come to the same epoch", async () => {
  const urls = ["one", "another"].map((name) => mongoUrl(`epoch-of-${name}`));
  const stores = urls.map((url) =>
    rolloutStore({ mongoUrl: url, redis: redis.url, dial: { percent: 100 }, stepDown: false }),
  );
  const epochs = () => stores.map((store) => store.stats().epoch);
  try {
    for (let turn = 0; turn < 3; turn += 1) {
      const before = epochs();
      await redis.restart({ keepData: false });
      await until(() => epochs().every((epoch, n) => epoch > (before[n] ?? 0)), { describe: epochs });
      const [one, another] = epochs();
      expect(one).not.toBe(another);
    }
  } finally {
    await Promise.all(stores.map((store) => store.close()));
    await Promise.all(urls.map(dropDatabase));
  }
});
