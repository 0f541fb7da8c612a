import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { type InstanceState, liveInstances, type Reporter, reportInstance } from "../../src/mongo/instances.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

const standing: InstanceState = {
  serverId: "one",
  version: "1.2.3",
  revision: 7,
  mode: "serve",
  percent: 25,
  epoch: 3,
  redis: "up",
  reading: "redis",
  reason: "trusted",
  streamLive: true,
  streamLagMs: 12,
  ttlSeconds: 86_400,
};

describe("the reports of instances", () => {
  const url = mongoUrl("instances");
  const open: Reporter[] = [];
  let link: MongoLink;

  function reporter(state: Partial<InstanceState> | (() => Partial<InstanceState>), everyMs = 50): Reporter {
    const told = () => ({ ...standing, ...(typeof state === "function" ? state() : state) });
    const made = reportInstance({ db: link.db, state: told, everyMs, log: createRecorder() });
    open.push(made);
    return made;
  }
  const names = async () => (await liveInstances(link.db)).map(({ serverId }) => serverId);

  beforeAll(async () => {
    link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 5, log: createRecorder() });
  });
  beforeEach(() => link.db.collection("sluice_instances").deleteMany({}));
  afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));
  afterAll(async () => {
    await link.close();
    await dropDatabase(url);
  });

  it("tell what each one says of itself, by the time of MongoDB", async () => {
    reporter({});
    const [report] = await until(async () => {
      const found = await liveInstances(link.db);
      return found.length > 0 ? found : undefined;
    });
    expect(report).toEqual({ ...standing, at: expect.any(Date) });
    expect(Math.abs(Date.now() - (report?.at.getTime() ?? 0))).toBeLessThan(5_000);
  });

  it("come at once when something has changed, and the last word wins", async () => {
    let percent = 25;
    const one = reporter(() => ({ percent }), 60_000);
    await until(async () => (await names()).length === 1);
    for (percent of [50, 75, 100]) one.changed();
    await until(async () => (await liveInstances(link.db))[0]?.percent === 100);
  });

  it("know an instance that went, and one that fell silent, from one that lives", async () => {
    const [gone] = [reporter({ serverId: "gone" }), reporter({ serverId: "lives" })];
    await until(async () => (await names()).join() === "gone,lives");
    await gone?.close();
    expect(await names()).not.toContain("gone");
    const silent = { ...standing, serverId: "silent", everyMs: 50, at: new Date(Date.now() - 2_000) };
    await link.db.collection<{ _id: string }>("sluice_instances").insertOne({ _id: "silent/x", ...silent });
    expect(await names()).not.toContain("silent");
    // On a busy machine its word may be late for once.
    await until(async () => (await names()).join() === "lives");
  });

  it("show two processes that go by one name as two", async () => {
    reporter({ percent: 10 });
    reporter({ percent: 20 });
    const percents = async () => (await liveInstances(link.db)).map(({ percent }) => percent).sort();
    await until(async () => (await percents()).join() === "10,20", { describe: percents });
  });
});
