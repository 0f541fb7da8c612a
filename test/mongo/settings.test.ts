import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/kernel/clock.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { createSettingsStore, type FollowedSettings, SettingsConflict } from "../../src/mongo/settings.ts";
import { watchCollection } from "../../src/mongo/watch.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createRecorder } from "../support/recorder.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

const operator = { who: "operator", why: "a test" };
const sessions = { mode: "serve", percent: 0, oldServers: true } as const;
const caches = {};
const open: FollowedSettings[] = [];

function link(url: string, timeoutMs = 10_000): Promise<MongoLink> {
  return connectMongo({ url, timeoutMs, poolSize: 10, log: createRecorder() });
}

/** One instance of the chat, as far as settings go. */
function instance({ db }: MongoLink, { redisDisabled } = { redisDisabled: false }, watch = watchCollection) {
  const log = createRecorder();
  const defaults = { redisDisabled, sessions, caches };
  const settings = createSettingsStore({ db, watch, defaults, clock: systemClock, log, pollMs: 200 });
  open.push(settings);
  return Object.assign(settings, { log });
}

/** For an instance that must live by the poll alone. */
const noStream: typeof watchCollection = () => ({
  live: false,
  reason: "no replica set",
  lagMs: Number.POSITIVE_INFINITY,
  close: async () => undefined,
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((settings) => settings.close()));
});

function common(mongo: () => MongoLink) {
  const documents = () => mongo().db.collection<{ _id: string; [field: string]: unknown }>("sluice_settings");
  const lines = () => mongo().db.collection<{ _id: number; [field: string]: unknown }>("sluice_history");
  beforeEach(async () => {
    await documents().deleteMany({});
    await lines().deleteMany({});
  });

  it("has its defaults until somebody changes something, and then writes all of them", async () => {
    const settings = instance(mongo(), { redisDisabled: true });
    expect(await settings.loaded).toBe(true);
    expect(settings.current).toEqual({ revision: 0, redisDisabled: true, sessions, caches });
    expect([settings.stored, settings.changedAt]).toEqual([false, null]);

    const after = await settings.change({ redisDisabled: false }, operator);
    expect(after).toEqual({ revision: 1, redisDisabled: false, sessions, caches });
    expect(settings.current).toEqual(after);
    expect(settings.stored).toBe(true);
    expect(settings.changedAt?.getTime()).toBeGreaterThan(Date.now() - 10_000);
    expect(await documents().findOne()).toMatchObject({ _id: "settings", revision: 1, redisDisabled: false });
  });

  it("makes other instances follow", async () => {
    const [one, two] = [instance(mongo()), instance(mongo())];
    await Promise.all([one.loaded, two.loaded]);
    const changes: unknown[] = [];
    two.events.on("change", (change) => changes.push(change));
    await one.change({ redisDisabled: true }, operator);
    await until(() => two.current.redisDisabled);
    expect(changes).toEqual([
      {
        before: { revision: 0, redisDisabled: false, sessions, caches },
        after: { revision: 1, redisDisabled: true, sessions, caches },
      },
    ]);
  });

  it("lets one of two win who change the same revision, and tells the other", async () => {
    const [one, two] = [instance(mongo()), instance(mongo())];
    await Promise.all([one.loaded, two.loaded]);
    const ends = await Promise.allSettled([
      one.change({ redisDisabled: true }, { who: "one", why: "" }, 0),
      two.change({ redisDisabled: true }, { who: "two", why: "" }, 0),
    ]);
    expect(ends.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const refused = ends.find((end) => end.status === "rejected");
    expect(refused?.reason).toBeInstanceOf(SettingsConflict);
    expect(refused?.reason.code).toBe("SETTINGS_CONFLICT");
    await until(() => one.current.revision === 1 && two.current.revision === 1);
    expect(await lines().countDocuments()).toBe(1);
  });

  it("refuses a change of a revision that is not the present one", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    await settings.change({ redisDisabled: false }, operator);
    for (const expected of [0, 1, 3, 7])
      await expect(settings.change({ redisDisabled: true }, operator, expected)).rejects.toBeInstanceOf(
        SettingsConflict,
      );
    expect(await lines().countDocuments()).toBe(2);
    await settings.change({ redisDisabled: true }, operator, 2);
  });

  it("counts every revision once when many change at the same time", async () => {
    const all = [instance(mongo()), instance(mongo()), instance(mongo())];
    await Promise.all(all.map(({ loaded }) => loaded));
    let won = 0;
    const keepTrying = async (settings: FollowedSettings) => {
      for (let tries = 0; tries < 8; tries++)
        await settings.change({ redisDisabled: tries % 2 === 0 }, operator).then(
          () => won++,
          (error: unknown) => expect(error).toBeInstanceOf(SettingsConflict),
        );
    };
    await Promise.all(all.map(keepTrying));
    expect(won).toBeGreaterThanOrEqual(8);
    const written = await all[0]?.history(100);
    expect(written?.map(({ revision }) => revision)).toEqual(Array.from({ length: won }, (_, i) => won - i));
    expect(await documents().findOne()).toMatchObject({ revision: won });
  });

  it("keeps who, when, from, to and why of every change, newest first", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, { who: "ann", why: "Redis is ill" });
    await settings.change({ redisDisabled: false }, { who: "ben", why: "well again" });
    const [second, first] = await settings.history(10);
    expect(first).toMatchObject({
      revision: 1,
      who: "ann",
      why: "Redis is ill",
      from: { redisDisabled: false },
      to: { redisDisabled: true },
    });
    expect(first?.at).toBeInstanceOf(Date);
    expect(second).toMatchObject({ revision: 2, who: "ben", from: { redisDisabled: true } });
    expect(await settings.history(1)).toHaveLength(1);
  });

  it("leaves the fields of newer servers alone", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    await documents().updateOne({ _id: "settings" }, { $set: { invented: { later: 1 } } });
    await settings.change({ redisDisabled: false }, operator);
    expect(await documents().findOne()).toMatchObject({ invented: { later: 1 }, revision: 2 });
  });

  it("refuses a setting that does not exist or cannot have the value", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    const wrong = { redisDisabled: "yes" } as unknown as { redisDisabled: boolean };
    await expect(settings.change(wrong, operator)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
    const unknown = { colour: true } as unknown as { redisDisabled: boolean };
    await expect(settings.change(unknown, operator)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
    expect(await documents().countDocuments()).toBe(0);
  });

  it("keeps the last known value of what an operator's shell has spoiled", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    await documents().updateOne({ _id: "settings" }, { $set: { redisDisabled: "no idea", revision: 2 } });
    await until(() => settings.current.revision === 2);
    expect(settings.current.redisDisabled).toBe(true);
  });

  it("goes on with the last known settings when the document is taken away, and restores it by the next change", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    await documents().deleteMany({});
    await until(() => settings.log.said("warn", /taken away/).length === 1);
    expect(settings.current).toEqual({ revision: 1, redisDisabled: true, sessions, caches });
    await settings.change({ redisDisabled: false }, operator);
    expect(await documents().findOne()).toMatchObject({ revision: 2, redisDisabled: false });
  });

  it("follows a backup that was restored over it", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    await settings.change({ redisDisabled: false }, operator);
    await lines().deleteOne({ _id: 2 });
    await documents().updateOne({ _id: "settings" }, { $set: { revision: 1, redisDisabled: true } });
    await until(() => settings.current.revision === 1);
    expect(settings.current.redisDisabled).toBe(true);
  });

  it("tells of other values that came under the same revision", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    const changes: boolean[] = [];
    settings.events.on("change", ({ after }) => changes.push(after.redisDisabled));
    await documents().updateOne({ _id: "settings" }, { $set: { redisDisabled: false } });
    await until(() => !settings.current.redisDisabled);
    expect(changes).toEqual([false]);
  });

  it("survives a listener that throws", async () => {
    const settings = instance(mongo());
    await settings.loaded;
    settings.events.on("change", () => {
      throw new Error("rude");
    });
    await settings.change({ redisDisabled: true }, operator);
    expect(settings.current.redisDisabled).toBe(true);
    expect(settings.log.said("error", /listener/)).toHaveLength(1);
  });
}

describe("settings on a replica set", () => {
  const url = mongoUrl("settings");
  let mongo: MongoLink;
  beforeAll(async () => {
    mongo = await link(url);
  });
  afterAll(async () => {
    await mongo.close();
    await dropDatabase(url);
  });
  common(() => mongo);

  it("are followed by the poll alone while there is no change stream", async () => {
    const [one, two] = [instance(mongo), instance(mongo, { redisDisabled: false }, noStream)];
    await Promise.all([one.loaded, two.loaded]);
    await one.change({ redisDisabled: true }, operator);
    await until(() => two.current.redisDisabled);
  });

  it("are followed by the change stream without waiting for a poll", async () => {
    const log = createRecorder();
    const reader = createSettingsStore({
      db: mongo.db,
      watch: watchCollection,
      defaults: { redisDisabled: false, sessions, caches },
      clock: systemClock,
      log,
      pollMs: 600_000,
    });
    open.push(reader);
    const writer = instance(mongo);
    await Promise.all([reader.loaded, writer.loaded]);
    // The first may be seen by the read at the start, the second by the one when the stream goes live; not the third.
    for (const redisDisabled of [true, false, true]) {
      await writer.change({ redisDisabled }, operator);
      await until(() => reader.current.revision === writer.current.revision);
    }
  });

  it("write the change and its line both or not at all", async () => {
    const settings = instance(mongo);
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    // The second write of the change fails at the server.
    await mongo.db.command({ collMod: "sluice_settings", validator: { revision: { $lt: 2 } } });
    try {
      await expect(settings.change({ redisDisabled: false }, operator)).rejects.toThrow();
      expect(await settings.history(10)).toHaveLength(1);
    } finally {
      await mongo.db.command({ collMod: "sluice_settings", validator: {} });
    }
    await settings.change({ redisDisabled: false }, operator);
    expect(await settings.history(10)).toHaveLength(2);
  });
});

describe("settings without a replica set", () => {
  let server: OwnMongod;
  let mongo: MongoLink;
  beforeAll(async () => {
    server = await startMongod({ replicaSet: false });
    mongo = await link(server.url);
  });
  afterAll(async () => {
    await mongo.close();
    await server.remove();
  });
  common(() => mongo);

  it("finish a change that died between its line and the document", async () => {
    const settings = instance(mongo);
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    await settings.close();
    const line = { at: new Date(), ...operator, from: { redisDisabled: true }, to: { redisDisabled: false } };
    await mongo.db.collection<{ _id: number }>("sluice_history").insertOne({ _id: 2, ...line });

    const later = instance(mongo);
    await later.loaded;
    expect(later.current).toEqual({ revision: 2, redisDisabled: false, sessions, caches });
  });

  it("count an unfinished change as one that was faster", async () => {
    const settings = instance(mongo);
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    const line = { at: new Date(), ...operator, from: { redisDisabled: true }, to: { redisDisabled: false } };
    await mongo.db.collection<{ _id: number }>("sluice_history").insertOne({ _id: 2, ...line });
    await expect(settings.change({ redisDisabled: true }, operator)).rejects.toBeInstanceOf(SettingsConflict);
    expect(settings.current).toEqual({ revision: 2, redisDisabled: false, sessions, caches });
    await settings.change({ redisDisabled: true }, operator);
    expect(settings.current.revision).toBe(3);
  });
});

describe("settings whose MongoDB is out", () => {
  let server: OwnMongod;
  let mongo: MongoLink;
  beforeAll(async () => {
    server = await startMongod();
    mongo = await link(server.url, 2_000);
  });
  afterAll(async () => {
    await mongo.close();
    await server.remove();
  });

  it("stay in force, warn once, and follow again when it is back", async () => {
    const settings = instance(mongo);
    await settings.loaded;
    await settings.change({ redisDisabled: true }, operator);
    server.freeze();
    try {
      await until(() => settings.log.said("warn", /cannot be read/).length > 0, { timeoutMs: 15_000 });
      expect(settings.current).toEqual({ revision: 1, redisDisabled: true, sessions, caches });
      await expect(settings.change({ redisDisabled: false }, operator)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    } finally {
      server.thaw();
    }
    await until(() => settings.log.said("info", /can be read again/).length > 0, { timeoutMs: 15_000 });
    expect(settings.log.said("warn", /cannot be read/)).toHaveLength(1);
  });

  it("are loaded when it comes, though it was away at the start", async () => {
    await server.kill();
    const settings = instance(mongo, { redisDisabled: false });
    expect(await settings.loaded).toBe(false);
    expect([settings.stored, settings.current.redisDisabled]).toEqual([false, false]);
    await server.start();
    await until(() => settings.stored, { timeoutMs: 15_000 });
  });

  it("close while it is frozen", async () => {
    const settings = instance(mongo);
    await settings.loaded;
    server.freeze();
    try {
      const tookMs = stopwatch();
      await settings.close();
      expect(tookMs()).toBeLessThan(3_500);
    } finally {
      server.thaw();
    }
  });
});
