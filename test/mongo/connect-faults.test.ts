import mongoose from "mongoose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { StartError } from "../../src/kernel/errors.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { isUnavailable } from "../../src/mongo/errors.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createRecorder } from "../support/recorder.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

const timeoutMs = 1_000;
// What a busy machine may add; still far below two limits of the driver after each other.
const slackMs = 900;
const poolSize = 3;

let server: OwnMongod;
let link: MongoLink;
let log: ReturnType<typeof createRecorder>;

beforeAll(async () => {
  server = await startMongod();
});
afterAll(() => server?.remove());
beforeEach(async () => {
  log = createRecorder();
  link = await connectMongo({ url: server.url, timeoutMs, poolSize, log });
});
afterEach(async () => {
  server.thaw();
  await link.close();
});

const model = () => link.connection.model("Thing", new mongoose.Schema({ a: Number }), "things");

/** Every kind of call, more of them than there are connections. */
function calls(): Promise<unknown>[] {
  const raw = link.db.collection("things");
  const kinds = [
    () => model().findOne().lean(),
    () => model().create({ a: 1 }),
    () => raw.find().sort({ a: 1 }).toArray(),
    () => raw.aggregate([{ $match: {} }]).next(),
    () => raw.bulkWrite([{ insertOne: { document: { a: 2 } } }]),
    () => raw.find()[Symbol.asyncIterator]().next(),
    () => link.client.db("another").command({ ping: 1 }),
  ];
  return kinds.flatMap((kind) => [kind(), kind()]);
}

async function everyCallFailsInTime(): Promise<void> {
  const tookMs = stopwatch();
  const took = await Promise.all(
    calls().map(async (call) => {
      const error = await call.then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(isUnavailable(error), String(error)).toBe(true);
      return tookMs();
    }),
  );
  expect(Math.max(...took)).toBeLessThan(timeoutMs + slackMs);
}

const works = () =>
  until(async () => (await Promise.all(calls())).length > 0, { describe: "every call to work again" });

/** That it was lost, and that it is back, in turn: on a busy machine it may be so more than once. */
function expectToldOnce(): void {
  const told = log.lines.map(({ message }) => message).filter((message) => /lost|back/.test(message));
  expect(told).toContainEqual(expect.stringMatching(/lost/));
  expect(told.filter((message, at) => message === told[at - 1])).toEqual([]);
}

describe("a link whose MongoDB", () => {
  it("is frozen ends every call in time, and goes on after it", async () => {
    await works();
    server.freeze();
    // At first its connections look alive, later the driver knows.
    await everyCallFailsInTime();
    await until(() => log.said("warn", /lost/).length > 0);
    await everyCallFailsInTime();
    server.thaw();
    await works();
    await until(() => log.said("info", /back/).length > 0);
    expectToldOnce();
  });

  it("is killed ends every call in time, and is found again", async () => {
    await works();
    await server.kill();
    await everyCallFailsInTime();
    await everyCallFailsInTime();
    await server.start();
    await works();
    expectToldOnce();
  });

  it("is busy ends what waits for a connection in time", async () => {
    await works();
    const busy = Array.from({ length: poolSize * 3 }, () =>
      link.db.collection("things").findOne({ $where: "sleep(4000) || true" }),
    );
    const tookMs = stopwatch();
    const ends = await Promise.allSettled(busy);
    expect(tookMs()).toBeLessThan(timeoutMs + slackMs);
    for (const end of ends) expect(end.status === "rejected" && isUnavailable(end.reason)).toBe(true);
    await works();
  });

  it("is frozen can be closed at once", async () => {
    server.freeze();
    const waiting = link.db.collection("things").findOne();
    const settled = waiting.catch((e: unknown) => e);
    const tookMs = stopwatch();
    await link.close();
    expect(tookMs()).toBeLessThan(timeoutMs + slackMs);
    const error = await settled;
    expect(isUnavailable(error), String(error)).toBe(true);
  });

  it("is frozen at the start ends the start", async () => {
    server.freeze();
    const start = connectMongo({ url: server.url, timeoutMs, poolSize, log, startTimeoutMs: 1_500 });
    await expect(start).rejects.toThrow(StartError);
    await expect(start).rejects.toThrow(
      /^MongoDB at 127\.0\.0\.1:\d+ did not answer within 1\.5 s( \(.+\))?\. Start it/,
    );
  });
});

describe("a change stream of a link", () => {
  it("outlives quiet times that are longer than a call may take", async () => {
    const quick = await connectMongo({ url: server.url, timeoutMs: 300, poolSize, log, monitorCommands: true });
    const seen = { quiet: 0, failed: 0 };
    quick.client.on("commandSucceeded", ({ commandName }) => {
      if (commandName === "getMore") seen.quiet += 1;
    });
    quick.client.on("commandFailed", () => {
      seen.failed += 1;
    });
    const stream = quick.db.collection("things").watch();
    const change = new Promise((resolve) => stream.once("change", resolve));
    await until(() => seen.quiet >= 2, { describe: () => seen });
    await link.db.collection("things").insertOne({ a: 3 });
    expect(await change).toMatchObject({ operationType: "insert", fullDocument: { a: 3 } });
    expect(seen.failed).toBe(0);
    await stream.close();
    await quick.close();
  });
});

describe("a MongoDB without a replica set", () => {
  it("is used as it is", async () => {
    const alone = await startMongod({ replicaSet: false });
    try {
      const other = await connectMongo({ url: alone.url, timeoutMs: 5_000, poolSize, log });
      expect(other.topology).toBe("standalone");
      await other.db.collection("things").insertOne({ a: 1 });
      expect(await other.db.collection("things").countDocuments()).toBe(1);
      await other.close();
    } finally {
      await alone.remove();
    }
  });
});
