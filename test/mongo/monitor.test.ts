import mongoose from "mongoose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createMongoMonitor, type MongoCommandEvents, type MongoMonitor } from "../../src/mongo/monitor.ts";
import { watchCollection } from "../../src/mongo/watch.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

describe("the monitor of a client", () => {
  const url = mongoUrl("monitor");
  const client = new mongoose.mongo.MongoClient(url, { monitorCommands: true });
  const things = client.db().collection("things");
  let monitor: MongoMonitor;
  let seen: MongoCommandEvents["command"][] = [];
  const names = () => seen.map(({ collection, command, ok }) => `${collection}.${command} ${ok}`);

  beforeAll(async () => {
    await client.connect();
    monitor = createMongoMonitor(client);
    monitor.events.on("command", (event) => seen.push(event));
  });
  afterAll(async () => {
    await client.close();
    await dropDatabase(url);
  });
  beforeEach(() => {
    seen = [];
  });

  it("tells collection, command and time of what was asked", async () => {
    await things.insertMany(Array.from({ length: 150 }, (_, n) => ({ n })));
    await things.find().toArray();
    await things.aggregate([{ $count: "n" }]).toArray();
    expect(names()).toEqual(["things.insert true", "things.find true", "things.getMore true", "things.aggregate true"]);
    for (const { seconds } of seen) expect(seconds).toBeGreaterThanOrEqual(0);
    for (const { seconds } of seen) expect(seconds).toBeLessThan(20);
  });

  it("tells what failed, and leaves the driver's own housekeeping out", async () => {
    await client.db().command({ ping: 1 });
    await things
      .aggregate([{ $nonsense: 1 }])
      .toArray()
      .catch(() => undefined);
    expect(names()).toEqual(["things.aggregate false"]);
  });

  it("keeps the waiting of change streams apart from queries", async () => {
    const watcher = watchCollection({ collection: things, onChange: () => undefined, log: createRecorder() });
    await until(() => watcher.live);
    await watcher.close();
    expect(new Set(names().map((name) => name.split(" ")[0]))).toEqual(new Set(["things.changeStream"]));
  });

  it("lets go of the client when closed", async () => {
    monitor.close();
    await things.findOne();
    expect(names()).toEqual([]);
    expect(client.listenerCount("commandStarted")).toBe(0);
  });
});
