import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StartError, UnavailableError } from "../../src/kernel/errors.ts";
import { connectMongo, type MongoLink, type MongoOptions } from "../../src/mongo/connect.ts";
import { duplicateKey, isUnavailable } from "../../src/mongo/errors.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";

const url = mongoUrl("connect");
const log = createRecorder();
const open = (more: Partial<MongoOptions> = {}) => connectMongo({ url, timeoutMs: 5_000, poolSize: 5, log, ...more });
let link: MongoLink;

beforeAll(async () => {
  link = await open();
});
afterAll(async () => {
  await link?.close();
  await dropDatabase(url);
});

const numbers = (at: MongoLink) =>
  at.connection.model("Number", new mongoose.Schema({ n: { type: Number, index: true }, square: Number }), "numbers");

describe("a link to MongoDB", () => {
  it("says what it is linked to", () => {
    expect(link.topology).toBe("replicaSet");
    expect(url).toContain(link.db.databaseName);
  });

  it("leaves mongoose's global connection alone, and other links too", async () => {
    const other = await open({ url: mongoUrl("connect-other") });
    try {
      expect(mongoose.connection.readyState).toBe(0);
      await numbers(link).deleteMany({});
      await numbers(other).create({ n: 1 });
      expect(await numbers(link).countDocuments()).toBe(0);
      await other.close();
      expect(await numbers(link).countDocuments()).toBe(0);
      expect(mongoose.connections).not.toContain(other.connection);
    } finally {
      await dropDatabase(mongoUrl("connect-other"));
    }
  });

  it("makes no index and no collection by itself", async () => {
    const named = link.connection.model(
      "Indexed",
      new mongoose.Schema({ a: { type: Number, unique: true } }),
      "indexed",
    );
    await named.init();
    expect(await link.db.listCollections({ name: "indexed" }).toArray()).toEqual([]);
    await named.create({ a: 1 });
    expect(await link.db.collection("indexed").indexes()).toHaveLength(1);
  });

  it("writes to a majority and reads from the primary, whatever the URL says", async () => {
    const lax = await open({ url: `${url}${url.includes("?") ? "&" : "?"}w=0&readPreference=secondary` });
    expect(lax.client.options.writeConcern?.w).toBe("majority");
    expect(lax.client.options.readPreference.mode).toBe("primary");
    expect(await lax.db.collection("numbers").findOne({ n: -1 })).toBeNull();
    await lax.close();
  });

  it("hands out cursors in every form", async () => {
    const raw = link.db.collection<{ _id: number; n: number }>("cursors");
    await raw.insertMany(Array.from({ length: 250 }, (_, n) => ({ _id: n, n })));
    const sorted = () =>
      raw
        .find({ n: { $gte: 100 } })
        .sort({ n: -1 })
        .batchSize(20);
    expect(
      await sorted()
        .limit(2)
        .map(({ n }) => n)
        .toArray(),
    ).toEqual([249, 248]);
    let sum = 0;
    for await (const { n } of sorted()) sum += n;
    expect(sum).toBe((100 + 249) * 75);
    let streamed = 0;
    for await (const _ of sorted().stream()) streamed++;
    expect(streamed).toBe(150);
    expect(await sorted().clone().next()).toEqual({ _id: 249, n: 249 });
    expect(await raw.aggregate([{ $match: { n: { $lt: 3 } } }, { $sort: { n: 1 } }]).toArray()).toHaveLength(3);
    const bulk = raw.initializeUnorderedBulkOp();
    bulk.find({ _id: 1 }).updateOne({ $set: { n: 1000 } });
    expect((await bulk.execute()).modifiedCount).toBe(1);
    expect(await link.client.db(link.db.databaseName).collection("cursors").countDocuments()).toBe(250);
  });

  it("hands commands to who monitors them, when asked to", async () => {
    const watched = await open({ monitorCommands: true });
    const names: string[] = [];
    watched.client.on("commandStarted", ({ commandName }) => names.push(commandName));
    await watched.db.collection("numbers").findOne({});
    await watched.close();
    expect(names).toContain("find");
  });

  it("names the field that refused a duplicate, however it was written", async () => {
    const unique = link.db.collection("unique");
    await unique.createIndex({ email: 1, channel: 1 }, { unique: true, name: "of_another_name" });
    await unique.insertOne({ email: "a", channel: "b" });
    const twice = () => ({ email: "a", channel: "b" });
    expect(duplicateKey(await unique.insertOne(twice()).catch((e: unknown) => e))).toBe("email");
    expect(duplicateKey(await unique.insertMany([twice()]).catch((e: unknown) => e))).toBe("email");
    const bulk = unique.bulkWrite([{ insertOne: { document: twice() } }]);
    expect(duplicateKey(await bulk.catch((e: unknown) => e))).toBe("email");
    const id = (await unique.findOne())?._id;
    expect(duplicateKey(await unique.insertOne(id ? { _id: id } : {}).catch((e: unknown) => e))).toBe("_id");
    expect(duplicateKey(await unique.updateOne({}, { $bad: 1 }).catch((e: unknown) => e))).toBeUndefined();
    expect(duplicateKey(new Error("E11000"))).toBeUndefined();
  });

  it("tells an outage from a mistake", async () => {
    const mistake = await link.db.command({ nonsense: 1 }).catch((e: unknown) => e);
    expect(isUnavailable(mistake)).toBe(false);
    expect(isUnavailable(new Error("of another kind", { cause: new UnavailableError("too late") }))).toBe(true);
    const server = new mongoose.mongo.MongoServerError({ message: "not primary", code: 10107 });
    expect(isUnavailable(server)).toBe(true);
    expect(isUnavailable(undefined)).toBe(false);
    expect(isUnavailable("text")).toBe(false);
  });
});

describe("a link that was closed", () => {
  it("refuses what comes later as an outage", async () => {
    const closed = await open();
    const model = numbers(closed);
    await closed.close();
    await closed.close();
    expect(isUnavailable(await model.findOne().catch((e: unknown) => e))).toBe(true);
    expect(
      isUnavailable(
        await closed.db
          .collection("numbers")
          .findOne()
          .catch((e: unknown) => e),
      ),
    ).toBe(true);
  });
});

describe("a start without its database", () => {
  async function failure(at: string): Promise<StartError> {
    const error = await connectMongo({ url: at, timeoutMs: 300, poolSize: 1, log, startTimeoutMs: 2_000 }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(StartError);
    return error as StartError;
  }

  it("ends in a bounded time with one line that names the server and no secret", async () => {
    const started = performance.now();
    const { message } = await failure("mongodb://root:s%2Fecret@127.0.0.1:1/chat?authSource=admin");
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(message).toBe(
      "MongoDB at 127.0.0.1:1 did not answer within 2 s (connect ECONNREFUSED 127.0.0.1:1). Start it, or correct MONGODB_URL.",
    );
  });

  it("tells the reason even when one attempt may last longer than the start", async () => {
    const patient = { url: "mongodb://127.0.0.1:1/chat", timeoutMs: 60_000, poolSize: 1, log, startTimeoutMs: 2_000 };
    await expect(connectMongo(patient)).rejects.toThrow(/within 2 s \(connect ECONNREFUSED 127.0.0.1:1\)/);
  });

  it.each([
    "mongodb://root:pass/word@127.0.0.1:1/chat",
    "mongodb://root:p@ss@127.0.0.1:1/chat",
    "mongodb://root:password@/chat",
    "mongodb://root:password@127.0.0.1:1,127.0.0.1:port/chat",
  ])("does not repeat a URL that cannot be read (%s)", async (bad) => {
    const { message } = await failure(bad);
    expect(message).toMatch(/^MONGODB_URL cannot be used/);
    expect(message).not.toMatch(/pass\/|p@ss|root:p|password@127|127\.0/);
    expect(message).not.toContain("\n");
  });

  it("names an option that does not exist", async () => {
    expect((await failure("mongodb://127.0.0.1:1/chat?retires=5")).message).toContain(
      "option retires is not supported",
    );
  });

  it("ends at once when the login is refused", async () => {
    const started = performance.now();
    const wrong = `${url.replace("mongodb://", "mongodb://nobody:wr0ng@")}${url.includes("?") ? "&" : "?"}authSource=admin`;
    const error = await connectMongo({ url: wrong, timeoutMs: 5_000, poolSize: 1, log }).catch((e: unknown) => e);
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(error).toBeInstanceOf(StartError);
    expect((error as StartError).message).toMatch(/refuses the login/);
    expect((error as StartError).message).not.toContain("wr0ng");
  });
});
