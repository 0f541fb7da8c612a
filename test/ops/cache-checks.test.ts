import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CacheEvents, RequestResult } from "../../src/cache/types.ts";
import { createEvents } from "../../src/kernel/events.ts";
import type { MongoCommandEvents } from "../../src/mongo/monitor.ts";
import { checkCaches } from "../../src/ops/cache-checks.ts";
import { createChecks } from "../../src/ops/checks.ts";

describe("what the health page says of a cache", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function start() {
    const events = createEvents<CacheEvents>();
    const mongo = createEvents<MongoCommandEvents>();
    const checks = createChecks({ now: () => Date.now() });
    const ends = checkCaches(checks, { events, all: new Map([["users", { on: true, doubt: undefined }]]) }, mongo);
    const read = (result: RequestResult, seconds: number, times: number) => {
      for (let round = 0; round < times; round++) events.emit("request", { cache: "users", key: "", result, seconds });
    };
    const says = async () => {
      await vi.advanceTimersByTimeAsync(500);
      return checks.read()["cache:users"]?.flatMap(({ output }) => output ?? []);
    };
    const close = () => {
      ends();
      checks.close();
    };
    return { events, mongo, read, says, close };
  }

  it("is nothing while it answers, and its misses from the next look on", async () => {
    const { read, says, close } = start();
    for (let look = 0; look < 30; look++) {
      read("redis", 0.001, 100);
      expect(await says()).toEqual([]);
    }
    read("redis", 0.001, 60);
    read("mongo", 0.002, 40);
    expect(await says()).toEqual(["40 % of the reads miss"]);
    close();
  });

  it("names wrong answers, and writes that have failed", async () => {
    const { events, says, close } = start();
    await says();
    for (const stale of [false, true, true])
      events.emit("audit", { cache: "users", key: "", stale, ageMs: stale ? 1_000 : 0 });
    events.emit("error", { cache: "users", key: "", what: "push", reason: "failed" });
    events.emit("error", { cache: "users", key: "", what: "read", reason: "failed" });
    expect(await says()).toEqual(["67 % of its answers are not what MongoDB has", "1 writes to it failed"]);
    for (let look = 0; look < 21; look++) await says();
    expect(await says()).toEqual([]);
    close();
  });

  it("says when Redis takes longer than MongoDB, and not when both are quick", async () => {
    const { mongo, read, says, close } = start();
    const query = (seconds: number) =>
      mongo.emit("command", { collection: "users", command: "find", seconds, ok: true });
    await says();
    query(0.001);
    read("redis", 0.004, 20);
    expect(await says()).toEqual([]);
    query(0.003);
    read("redis", 0.06, 20);
    expect(await says()).toEqual(["Redis takes 60 ms for the cache users, MongoDB 2 ms"]);
    close();
  });
});
