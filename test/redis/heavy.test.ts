import { describe, expect, it } from "vitest";
import type { Commands } from "../../src/redis/types.ts";
import { doorSuite } from "../support/door-suite.ts";
import { until } from "../support/until.ts";

const suite = doorSuite();

/** Keeps its connection for so many seconds; the product itself has no such command. */
const wait = (seconds: string) => (redis: Commands) =>
  (redis as never as { sendCommand(words: string[]): Promise<unknown> }).sendCommand(["BLPOP", "cache:none", seconds]);

describe("the heavy lane", () => {
  it("has connections of its own, so that long work holds up nobody", async () => {
    const { door } = await suite.openUp({ REDIS_WATCHDOG: "2s" });
    const blocked = door.call("wait", wait("0"), { lane: "heavy", deadlineMs: 15_000 });
    await until(async () => (await suite.server.info("blocked_clients")) === "1");
    // For longer than the watchdog has patience: two heartbeats a second.
    const beats = async () => Number(await suite.server.ask("HGET", "cache:sluice:canary", "count"));
    const before = await beats();
    await until(async () => (await beats()) > before + 4);
    expect((await door.call("quick", (redis) => redis.get("cache:a"))).ok).toBe(true);
    await suite.server.ask("LPUSH", "cache:none", "at last");
    expect(await blocked).toEqual({ ok: true, value: ["cache:none", "at last"] });
    expect(door.state).toBe("up");
    expect((await door.health()).connections.open).toBe(3);
  });

  it("replaces a connection that is stuck", async () => {
    const { door } = await suite.openUp();
    const stuck = await door.call("wait", wait("0"), { lane: "heavy", deadlineMs: 60 });
    expect(stuck).toMatchObject({ reason: "deadline", unknownOutcome: true });
    await until(async () => (await suite.server.info("blocked_clients")) === "0");
    expect((await door.call("scan", (redis) => redis.scan("0"), { lane: "heavy" })).ok).toBe(true);
    expect(door.state).toBe("up");
  });
});
