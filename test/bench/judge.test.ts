import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hardlyCompared, leastShareOf, type Round } from "../../bench/cache/rounds.ts";
import { type Judge, openJudge } from "../../drills/judge/judge.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("bench-judge");
const channel = { id: "hall", name: "Hall", type: "text", description: "here", createdBy: "system", position: 0 };
const told = (more = {}) => JSON.stringify([{ ...channel, ...more }]);

describe("the judge of a bench", () => {
  let client: mongoose.mongo.MongoClient;
  let judge: Judge;

  beforeAll(async () => {
    client = await mongoose.mongo.MongoClient.connect(url);
    await client
      .db()
      .collection("channels")
      .insertOne({ ...channel });
    const timestamp = new Date(Date.now() - 60_000);
    await client.db().collection("messages").insertOne({ channel: "hall", type: "public", text: "hello", timestamp });
    judge = await openJudge(url);
  });
  afterAll(async () => {
    await judge.close();
    await client.close();
    await dropDatabase(url);
  });

  it("gives no verdict on a list before it has looked for long enough, and then tells right from wrong", async () => {
    const look = (body: string) => judge.look("/api/channels", body, Date.now());
    expect(await look(told({ name: "Another" }))).toBe("unknown");
    await until(async () => (await look(told())) !== "unknown");
    expect(await look(told())).toBe("right");
    expect(await look(told({ name: "Another" }))).toEqual({ fault: expect.stringContaining("hall was never") });
    expect(await look("[]")).toEqual({ fault: "hall is missing" });
  });

  it("believes that somebody came and went between two looks, but nothing else of them", async () => {
    const users = client.db().collection("users");
    const at = Date.now() - 60_000;
    const ann = { nickname: "ann", role: "member", status: "offline", createdAt: new Date(0) };
    const { insertedId: _id } = await users.insertOne({ ...ann, lastActive: new Date(at) });
    const told = (more: object) => JSON.stringify([{ ...ann, _id, lastActive: new Date(at), ...more }]);
    const look = (more: object) => judge.look("/api/users", told(more), Date.now());
    await until(async () => (await look({})) === "right");
    await users.updateOne({ _id }, { $set: { lastActive: new Date(at + 100) } });
    for (const ms of [50, 100]) expect(await look({ lastActive: new Date(at + ms), status: "online" })).toBe("right");
    for (const wrong of [
      { status: "online" },
      { status: "online", lastActive: new Date(at + 101) },
      { lastActive: new Date(at - 1) },
      { lastActive: new Date(at + 50), role: "admin" },
    ])
      expect(await look(wrong)).toEqual({ fault: expect.stringContaining("was never") });
  });

  it("compares histories", async () => {
    const path = "/api/channels/hall/messages";
    const message = await client.db().collection("messages").findOne({});
    const look = (messages: object[]) => judge.look(path, JSON.stringify({ messages }), Date.now());
    const one = { id: String(message?._id), text: "hello" };
    expect(await look([one])).toBe("right");
    expect(await look([{ ...one, text: "bye" }])).toEqual({ fault: expect.stringContaining("was never") });
    expect(await look([])).toEqual({ fault: "hall: nothing was told of its messages" });
  });
});

describe("a bench", () => {
  it("fails when hardly an answer was compared", () => {
    const round = (checked: number) => ({ checked }) as Round;
    expect(hardlyCompared("lists", [round(1), round(3)])).toEqual([]);
    expect(hardlyCompared("lists", [])).toHaveLength(1);
    expect(hardlyCompared("lists", [round(0), round(1)])).toEqual([
      "lists: 1 answers were compared with MongoDB in 2 rounds",
    ]);
  });

  it("is as healthy as its worst round, however few answers that had", () => {
    const round = (requests: number, redis: number) => ({ requests, sources: { redis } }) as unknown as Round;
    expect(leastShareOf([round(10_000, 10_000), round(10, 1)], ["l1", "redis"])).toBe(0.1);
    expect(leastShareOf([], ["redis"])).toBeNaN();
  });
});
