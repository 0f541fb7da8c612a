import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AllCommands } from "../../src/redis/commands.ts";
import { type Connection, openConnection } from "../../src/redis/connection.ts";
import { quickCommands } from "../../src/redis/quick.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";

let server: RedisServer;
let connection: Connection;
beforeAll(async () => {
  server = await startRedisServer();
  const access = { database: 0, tls: false as const };
  const signal = new AbortController().signal;
  connection = await openConnection({ host: "127.0.0.1", port: server.port }, access, { timeoutMs: 5_000, signal });
});
afterAll(async () => {
  connection.destroy();
  await server.close();
});

type Step = [what: string, run: (redis: AllCommands) => Promise<unknown>];

const lua = "return {KEYS[1], ARGV[1], #ARGV}";
const steps: Step[] = [
  ["set", (redis) => redis.set("s", "v")],
  ["set EX", (redis) => redis.set("t", "v", { EX: 100 })],
  ["set PX", (redis) => redis.set("t", Buffer.from("v"), { PX: 100_000 })],
  ["set NX", (redis) => redis.set("s", "v", { NX: true })],
  ["set EX NX", (redis) => redis.set("u", "v", { EX: 100, NX: true })],
  ["set KEEPTTL", (redis) => redis.set("t", "w", { KEEPTTL: true })],
  ["set GET", (redis) => redis.set("s", "w", { GET: true })],
  ["get", (redis) => redis.get("s")],
  ["get nothing", (redis) => redis.get("nothing")],
  ["mGet", (redis) => redis.mGet(["s", "nothing", "t"])],
  ["incr", (redis) => redis.incr("n")],
  ["pTTL of nothing", (redis) => redis.pTTL("nothing")],
  ["expire", (redis) => redis.expire("s", 100)],
  // Before 7.0 an error, by either way the same.
  ["expire NX", (redis) => redis.expire("s", 100, "NX").catch((error: Error) => error.message)],
  ["pExpire", (redis) => redis.pExpire("s", 100_000)],
  ["hSet", (redis) => redis.hSet("h", { a: "1", b: "2" })],
  ["hGet", (redis) => redis.hGet("h", "a")],
  ["hmGet", (redis) => redis.hmGet("h", ["a", "x"])],
  ["hGetAll", (redis) => redis.hGetAll("h")],
  ["hVals", (redis) => redis.hVals("h")],
  ["hLen", (redis) => redis.hLen("h")],
  ["hIncrBy", (redis) => redis.hIncrBy("h", "c", 2)],
  ["hDel", (redis) => redis.hDel("h", ["a", "c"])],
  ["sAdd", (redis) => redis.sAdd("set", ["x", "y"])],
  ["sAdd one", (redis) => redis.sAdd("set", "z")],
  ["sMembers", (redis) => redis.sMembers("set").then((members) => members.sort())],
  ["sIsMember", (redis) => redis.sIsMember("set", "x")],
  ["smIsMember", (redis) => redis.smIsMember("set", ["x", "nobody"])],
  ["sCard", (redis) => redis.sCard("set")],
  ["sRem", (redis) => redis.sRem("set", ["x", "nobody"])],
  ["zAdd", (redis) => redis.zAdd("z", [{ score: 1.5, value: "a" }])],
  ["zScore", (redis) => redis.zScore("z", "a")],
  ["zCard", (redis) => redis.zCard("z")],
  ["zRangeWithScores", (redis) => redis.zRangeWithScores("z", 0, -1)],
  ["zRem", (redis) => redis.zRem("z", "a")],
  ["rPush", (redis) => redis.rPush("l", ["a", "b", "c"])],
  ["lPush", (redis) => redis.lPush("l", "0")],
  ["lRange", (redis) => redis.lRange("l", 0, -1)],
  ["lTrim", (redis) => redis.lTrim("l", 0, 1)],
  ["lLen", (redis) => redis.lLen("l")],
  ["exists", (redis) => redis.exists(["s", "nothing"])],
  ["unlink", (redis) => redis.unlink("l")],
  ["del", (redis) => redis.del(["s", "t"])],
  ["publish", (redis) => redis.publish("c", "m")],
  ["eval", (redis) => redis.eval(lua, { keys: ["k"], arguments: ["a", "b"] })],
  ["evalSha", (redis) => redis.evalSha("unknown", { keys: [], arguments: [] }).catch((error: Error) => error.message)],
  ["wrong type", (redis) => redis.set("s", "v").then(() => redis.lLen("s").catch((error: Error) => error.message))],
];

describe("the shorter way of a command", () => {
  it("answers in every step what node-redis's own way does", async () => {
    const play = async (redis: AllCommands) => {
      await server.ask("FLUSHALL");
      const answers: Record<string, unknown> = {};
      for (const [what, run] of steps) answers[what] = await run(redis);
      return answers;
    };
    const usual = await play(connection.client as AllCommands);
    expect(await play(quickCommands(connection.client))).toEqual(usual);
    expect(usual.hGetAll).toEqual({ a: "1", b: "2" });
  });

  it("keeps what it has no words for", async () => {
    const page = await quickCommands(connection.client).scan("0", { MATCH: "none:*" });
    expect(page.keys).toEqual([]);
  });
});
