import { type AddressInfo, connect, createServer } from "node:net";
import { createKrupteinAdapter, MongoStore } from "connect-mongo";
import express from "express";
import session, { type Store } from "express-session";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDial, rolloutStore } from "../../src/sessions/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createBrowser } from "../support/http.ts";
import { startMongod } from "../support/mongod.ts";
import { createRecorder } from "../support/recorder.ts";
import { freePort } from "../support/redis-process.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { callsOf, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;

describe("an app that has had connect-mongo", () => {
  const mongo = mongoUrl("adopted");
  let client: mongoose.mongo.MongoClient;
  const opened: { close(): unknown }[] = [];
  function opening<T extends { close(): unknown }>(one: T): T {
    opened.push(one);
    return one;
  }

  beforeAll(async () => {
    client = await mongoose.mongo.MongoClient.connect(mongo);
  });
  afterAll(async () => {
    for (const one of opened.reverse()) await one.close();
    await client.close();
    await dropDatabase(mongo);
  });

  const names = ["create", "update", "get", "set", "touch", "destroy", "all"];

  /** What a store tells of a visit that makes a session, reads it, changes it and ends it. */
  async function toldBy(store: Store): Promise<unknown[][]> {
    const told: unknown[][] = [];
    for (const name of names) store.on(name, (...about: unknown[]) => told.push([name, ...about]));
    const app = express();
    app.use(session({ store, secret: "s", resave: false, saveUninitialized: false, genid: () => "the-visitor" }));
    app.get("/count", (req, res) => {
      const visit = req.session as { count?: number };
      visit.count = (visit.count ?? 0) + 1;
      res.json({ count: visit.count });
    });
    app.get("/look", (_req, res) => res.json({}));
    app.get("/leave", (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.json({}))));
    const server = app.listen(0, "127.0.0.1");
    await until(() => server.listening);
    try {
      const browser = createBrowser(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      for (const path of ["/count", "/count", "/look", "/leave"]) expect((await browser.get(path)).status).toBe(200);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    await callsOf(store).all();
    return told.map(([name, sid]) => [name, sid]);
  }

  it("hears of its sessions by the same events, in the same order", async () => {
    const transformId = (sid: string) => `id-${sid}`;
    const stock = opening(MongoStore.create({ mongoUrl: mongo, collectionName: "told-theirs", transformId }));
    const ours = opening(rolloutStore({ client, collectionName: "told-ours", transformId }));
    const theirs = await toldBy(stock);
    expect(theirs.map(([name]) => name)).toEqual([
      "create",
      "set",
      "get",
      "update",
      "set",
      "get",
      "touch",
      "get",
      "destroy",
      "all",
    ]);
    expect(await toldBy(ours)).toEqual(theirs);
  });

  it("hears nothing of a write that was not taken", async () => {
    const store = opening(rolloutStore({ client, collectionName: "ended" }));
    const calls = callsOf(store);
    await calls.set("one", sessionOf(day, { n: 1 }));
    const read = (await calls.get("one")) as object;
    await calls.destroy("one");
    const told: string[] = [];
    for (const name of ["create", "update", "set"]) store.on(name, () => told.push(name));
    await calls.set("one", read);
    expect(told).toEqual([]);
    expect(await calls.get("one")).toBeNull();
  });

  it("encrypts sessions that are objects as before", async () => {
    const options = { stringify: false, crypto: { secret: "squirrel" }, collectionName: "sealed" };
    const stock = callsOf(opening(MongoStore.create({ mongoUrl: mongo, ...options })));
    const ours = callsOf(opening(rolloutStore({ client, ...options })));
    const cookie = Object.assign(new session.Cookie(), { maxAge: day });
    const visit = { ...sessionOf(day), u: undefined, at: new Date(0), cookie };
    await stock.set("theirs", visit);
    await ours.set("ours", visit);
    const { decrypt } = createKrupteinAdapter(options.crypto);
    const stored = client.db().collection<{ _id: string; session: string }>("sealed");
    const plain = async (_id: string) => JSON.parse(await decrypt((await stored.findOne({ _id }))?.session ?? ""));
    const theirs = await plain("theirs");
    expect(Object.keys(theirs)).not.toContain("u");
    expect(await plain("ours")).toEqual(theirs);
  });
});

describe("an app whose MongoDB", () => {
  it("cannot be reached is told where it was looked for, and serves when it can be", async () => {
    const port = await freePort();
    const url = new URL(mongoUrl("adopted-late"));
    const where = `mongodb://127.0.0.1:${port}${url.pathname}?directConnection=true`;
    const store = rolloutStore({ mongoUrl: where, deadlines: { operationMs: 2_000 }, log: createRecorder() });
    const proxy = createServer((socket) => {
      const there = connect(Number(url.port), url.hostname);
      socket.pipe(there).pipe(socket);
      socket.on("error", () => there.destroy());
      there.on("error", () => socket.destroy());
    });
    try {
      // The second asks when the driver has given up connecting once.
      for (let n = 0; n < 2; n += 1)
        await expect(callsOf(store).get("one")).rejects.toMatchObject({
          code: "UNAVAILABLE",
          message: expect.stringContaining(`could not read a session: connect ECONNREFUSED 127.0.0.1:${port}`),
          cause: expect.objectContaining({ name: expect.stringMatching(/^Mongo/) }),
        });
      proxy.listen(port, "127.0.0.1");
      await until(() =>
        callsOf(store)
          .set("one", sessionOf(day, { n: 1 }))
          .then(() => true),
      );
    } finally {
      await store.close();
      proxy.close();
      await dropDatabase(url.href);
    }
  });

  it("has no replica set is told once, when the dial wants Redis, what to do", async () => {
    const [own, redis] = await Promise.all([startMongod({ replicaSet: false }), startRedisServer()]);
    const log = createRecorder();
    const settings = createDial({ mode: "serve", percent: 0 });
    const store = rolloutStore({ mongoUrl: own.url, redis: redis.url, settings, log });
    const said = () => log.said("warn", /without a replica set, .*--replSet rs0/);
    try {
      let reason = "";
      store.events.on("following", (now) => {
        reason = now.reason;
      });
      await until(() => reason === "no replica set", { describe: () => store.stats() });
      expect(said()).toEqual([]);
      settings.set({ percent: 100 });
      settings.set({ percent: 50 });
      settings.set({ percent: 100 });
      expect(said()).toHaveLength(1);
      await until(() => store.stats().reason === "stream", { describe: () => store.stats() });
      expect(said()).toHaveLength(1);
    } finally {
      await store.close();
      await Promise.all([redis.close(), own.remove()]);
    }
  });
});
