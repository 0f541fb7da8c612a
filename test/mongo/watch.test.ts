import type { Collection } from "mongodb";
import mongoose from "mongoose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { type Watcher, type WatchOptions, watchCollection } from "../../src/mongo/watch.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { followed, idOf } from "../support/follow.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createRecorder } from "../support/recorder.ts";
import { replacing } from "../support/replacing.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

const { ChangeStream, MongoNetworkError, Timestamp } = mongoose.mongo;

interface Thing {
  _id: number;
  text?: string;
}

function link(url: string): Promise<MongoLink> {
  return connectMongo({ url, timeoutMs: 10_000, poolSize: 5, log: createRecorder() });
}

const open: Watcher[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((watcher) => watcher.close()));
});

function follow(collection: Collection<Thing>, more: Partial<WatchOptions<Thing>> = {}) {
  const log = createRecorder();
  // A busy machine must not make it late: all that is told is looked at.
  const follower = followed(watchCollection, collection, log, { behindMs: 10_000, ...more });
  open.push(follower.watcher);
  return { ...follower, log };
}

describe("a follower of a collection", () => {
  const url = mongoUrl("watch");
  let mongo: MongoLink;
  const things = (name: string) => mongo.db.collection<Thing>(name);

  beforeAll(async () => {
    mongo = await link(url);
  });
  afterAll(async () => {
    await mongo.close();
    await dropDatabase(url);
  });

  it("brings every change in order, and says when it follows", async () => {
    const { watcher, seen, states } = follow(things("order"));
    expect(watcher.live).toBe(false);
    expect(watcher.lagMs).toBe(Number.POSITIVE_INFINITY);
    await until(() => watcher.live);
    const ids = Array.from({ length: 300 }, (_, i) => i);
    await things("order").insertMany(ids.map((_id) => ({ _id })));
    await until(() => seen.length === 300);
    expect(seen).toEqual(ids);
    expect(states).toEqual(["true: afresh"]);
    await until(() => watcher.lagMs < 1_000);
  });

  it("stays live while nothing happens, and while only other collections change", async () => {
    const { watcher, states } = follow(things("idle"));
    await until(() => watcher.live);
    const lags: number[] = [];
    const end = performance.now() + 2_500;
    await until(async () => {
      await things("busy").insertOne({ _id: lags.length });
      lags.push(watcher.lagMs);
      return performance.now() > end;
    });
    expect(states).toEqual(["true: afresh"]);
    // A busy machine may be late now and then.
    expect(lags.filter((ms) => ms > 1_000).length).toBeLessThan(lags.length / 10);
  });

  it("counts a change as behind until it has been applied", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { watcher, states } = follow(things("slow"), { onChange: () => held, behindMs: 800 });
    await until(() => watcher.live);
    await things("slow").insertOne({ _id: 1 });
    await until(() => states.includes("false: behind"));
    expect(watcher.live).toBe(false);
    expect(watcher.lagMs).toBeGreaterThan(800);
    release();
    await until(() => states.at(-1) === "true: caught up");
  });

  it("brings a change again whose application failed, with pauses", async () => {
    const tries: number[] = [];
    const { watcher, states, log } = follow(things("poison"), {
      onChange() {
        tries.push(performance.now());
        if (tries.length < 4) throw new Error("not now");
      },
    });
    await until(() => watcher.live);
    await things("poison").insertOne({ _id: 1 });
    await until(() => states.at(-1) === "true: resumed");
    expect(tries).toHaveLength(4);
    expect(states).toEqual(["true: afresh", "false: broken", "true: resumed"]);
    expect(log.said("warn", /broken/)).toHaveLength(1);
  });

  it("does not spin on a change that always fails", async () => {
    let tries = 0;
    const { watcher } = follow(things("venom"), {
      onChange() {
        tries++;
        throw new Error("never");
      },
    });
    await until(() => watcher.live);
    await things("venom").insertOne({ _id: 1 });
    const begin = performance.now();
    await until(() => performance.now() - begin > 3_000);
    expect(tries).toBeGreaterThan(1);
    expect(tries).toBeLessThan(30);
  });

  it("survives a listener that throws", async () => {
    const { watcher, log } = follow(things("rude"), {
      onLive() {
        throw new Error("rude");
      },
    });
    await until(() => watcher.live);
    expect(log.said("error", /listener/)).toHaveLength(1);
  });

  it("goes on where its predecessor was, without a gap", async () => {
    let kept: unknown;
    const resume = {
      load: async () => kept,
      async save(token: unknown) {
        kept = token;
      },
    };
    const first = follow(things("resume"), { resume });
    await until(() => first.watcher.live);
    await things("resume").insertOne({ _id: 1 });
    await until(() => first.seen.length === 1);
    await first.watcher.close();
    expect(kept).toBeDefined();
    await things("resume").insertMany([{ _id: 2 }, { _id: 3 }]);
    const second = follow(things("resume"), { resume });
    await until(() => second.watcher.live);
    expect(second.seen).toEqual([2, 3]);
    expect(second.states).toEqual(["true: resumed"]);
  });

  it("stores no token before its change has been applied", async () => {
    const saved: string[] = [];
    const applied: number[] = [];
    const resume = {
      load: async () => undefined,
      save: async () => void saved.push(applied.join()),
    };
    const { watcher } = follow(things("after"), { resume, onChange: (change) => void applied.push(idOf(change)) });
    await until(() => watcher.live);
    for (const _id of [1, 2, 3]) await things("after").insertOne({ _id });
    await until(() => saved.length > 0 && applied.length === 3);
    expect(saved[0]?.length).toBeGreaterThan(0);
    await watcher.close();
    expect(saved.at(-1)).toBe("1,2,3");
    expect(saved.length).toBeLessThan(4);
  });

  it("reports a token that MongoDB no longer knows, then begins afresh", async () => {
    const stream = things("lost").watch();
    await stream.tryNext();
    await things("lost").insertOne({ _id: 1 });
    const token = (await stream.next())._id as { _data: string };
    await stream.close();
    // The same stream, decades ago.
    const ancient = { _data: `82${"11111111"}${token._data.slice(10)}` };
    const { watcher, states, seen } = follow(things("lost"), {
      resume: { load: async () => ancient, save: async () => undefined },
    });
    await until(() => watcher.live);
    expect(states).toEqual(["false: history lost", "true: afresh"]);
    await things("lost").insertOne({ _id: 2 });
    await until(() => seen.length === 1);
    expect(seen).toEqual([2]);
  });

  it("begins afresh also when it is broken off before it has heard of everything", async () => {
    const real = things("broken-off");
    let opened = 0;
    function watch(...args: Parameters<typeof real.watch>) {
      const stream = real.watch(...args);
      opened += 1;
      if (opened > 1) return stream;
      // The set is further on than what this stream has read, and then the connection ends: there is a token by then.
      const clusterTime = { get: () => ({ clusterTime: Timestamp.MAX_VALUE }), set: () => undefined };
      Object.defineProperty(args[1]?.session, "clusterTime", clusterTime);
      const answers = [() => ChangeStream.prototype.tryNext.call(stream)];
      stream.tryNext = () => answers.shift()?.() ?? Promise.reject(new MongoNetworkError("connection 7 closed"));
      return stream;
    }
    const { watcher, states } = follow(replacing(real, "watch", watch));
    await until(() => watcher.live);
    expect(opened).toBe(2);
    expect(states).toEqual(["false: broken", "true: afresh"]);
  });

  it("begins afresh when the collection is dropped", async () => {
    await things("dropped").insertOne({ _id: 1 });
    const { watcher, states, seen } = follow(things("dropped"), {
      pipeline: [{ $match: { operationType: "insert" } }],
    });
    await until(() => watcher.live);
    await things("dropped").drop();
    await until(() => states.length === 3);
    expect(states).toEqual(["true: afresh", "false: history lost", "true: afresh"]);
    await things("dropped").insertOne({ _id: 2 });
    await until(() => seen.length === 1);
  });

  it("closes at once, and says nothing after that", async () => {
    const { watcher, seen, states } = follow(things("closed"));
    await until(() => watcher.live);
    await watcher.close();
    await things("closed").insertOne({ _id: 1 });
    expect(watcher.live).toBe(false);
    expect(watcher.reason).toBe("closed");
    expect(states.at(-1)).toBe("false: closed");
    expect(seen).toEqual([]);
  });
});

describe("a follower whose MongoDB", () => {
  let server: OwnMongod;
  let mongo: MongoLink;

  beforeAll(async () => {
    server = await startMongod();
    mongo = await link(server.url);
  });
  afterAll(async () => {
    await mongo.close();
    await server.remove();
  });

  it("freezes says within two seconds that it is behind, and misses nothing", async () => {
    const things = mongo.db.collection<Thing>("frozen");
    const { watcher, states, seen } = follow(things, { behindMs: 1_000 });
    await until(() => watcher.live);
    server.freeze();
    const tookMs = stopwatch();
    try {
      await until(() => !watcher.live);
      expect(tookMs()).toBeLessThan(2_000);
      await until(() => states.includes("false: behind"));
    } finally {
      server.thaw();
    }
    await things.insertOne({ _id: 1 });
    await until(() => watcher.live && seen.length === 1, { timeoutMs: 15_000, describe: () => states });
    expect(states.filter((state) => state === "true: afresh")).toHaveLength(1);
  });

  it("dies and comes back misses nothing", async () => {
    const things = mongo.db.collection<Thing>("died");
    const { watcher, states, seen } = follow(things);
    await until(() => watcher.live);
    await things.insertOne({ _id: 1 });
    await until(() => seen.length === 1);
    await server.kill();
    await until(() => states.length > 1);
    expect(watcher.live).toBe(false);
    await server.start();
    await until(() => things.insertOne({ _id: 2 }), { timeoutMs: 15_000 });
    await until(() => watcher.live && seen.at(-1) === 2, { timeoutMs: 15_000, describe: () => states });
    expect(states.filter((state) => state === "true: afresh")).toHaveLength(1);
  });

  it("is frozen closes all the same", async () => {
    const { watcher } = follow(mongo.db.collection<Thing>("stuck"));
    await until(() => watcher.live, { timeoutMs: 15_000 });
    server.freeze();
    try {
      const tookMs = stopwatch();
      await watcher.close();
      expect(tookMs()).toBeLessThan(2_000);
    } finally {
      server.thaw();
    }
  });
});

describe("a follower without a replica set", () => {
  it("says so, once, and keeps quiet", async () => {
    const server = await startMongod({ replicaSet: false });
    const mongo = await link(server.url);
    try {
      const { watcher, states, log } = follow(mongo.db.collection<Thing>("alone"));
      await until(() => states.length > 0);
      expect(states).toEqual(["false: no replica set"]);
      expect(watcher.live).toBe(false);
      expect(log.lines.filter(({ level }) => level !== "debug")).toHaveLength(0);
      await watcher.close();
    } finally {
      await mongo.close();
      await server.remove();
    }
  });
});
