import { describe, expect, it } from "vitest";
import { withBudget } from "../../src/kernel/budget.ts";
import type { Answer, Script } from "../../src/redis/types.ts";
import { doorSuite } from "../support/door-suite.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

const suite = doorSuite();

const value = <T>(answer: Answer<T>): T => {
  if (!answer.ok) throw new Error(`no answer: ${answer.reason} ${answer.error?.message}`);
  return answer.value;
};

describe("a call", () => {
  it("answers what Redis answers", async () => {
    const { door } = await suite.openUp();
    expect(value(await door.call("set", (redis) => redis.set("cache:a", "1")))).toBe("OK");
    expect(value(await door.call("get", (redis) => redis.get("cache:a")))).toBe("1");
  });

  it("carries several commands in one round trip", async () => {
    const { door } = await suite.openUp();
    const answer = await door.call("many", (redis) =>
      Promise.all([redis.sAdd("cache:s", ["x", "y"]), redis.sMembers("cache:s"), redis.sCard("cache:s")]),
    );
    expect(value(answer)[2]).toBe(2);
  });

  it("is refused at once before there is a connection, and nothing was sent", async () => {
    const { door } = suite.open({}, { start: false });
    let ran = false;
    const answer = await door.call("early", async () => {
      ran = true;
    });
    expect(answer).toEqual({ ok: false, reason: "down", unknownOutcome: false });
    expect(ran).toBe(false);
  });

  it("resolves when the command throws before it is sent, and when it answers no promise", async () => {
    const { door, log } = await suite.openUp();
    const thrown = await door.call("broken", () => {
      throw new TypeError("written wrong");
    });
    expect(thrown).toMatchObject({ ok: false, reason: "failed", error: { message: "written wrong" } });
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(await door.call("plain", () => 5 as never)).toEqual({ ok: true, value: 5 });
    expect(door.state).toBe("up");
  });

  it("tells a command that is wrong from a Redis that is", async () => {
    const { door, log } = await suite.openUp();
    await door.call("set", (redis) => redis.set("cache:text", "x"));
    for (let n = 0; n < 10; n += 1) {
      const answer = await door.call("wrong", (redis) => redis.lLen("cache:text"));
      expect(answer).toMatchObject({ ok: false, reason: "failed", unknownOutcome: false });
    }
    expect(door.state).toBe("up");
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  it("is given up at its deadline, its outcome unknown, and the late reply harms nobody", async () => {
    const { door } = await suite.openUp();
    suite.proxy.set({ kind: "blackHole" });
    const elapsed = stopwatch();
    const answer = await door.call("slow", (redis) => redis.lLen("cache:late"), { deadlineMs: 50 });
    expect(answer).toEqual({ ok: false, reason: "deadline", unknownOutcome: true });
    // The deadline of all other calls is 5 s here.
    expect(elapsed()).toBeLessThan(2_000);
    suite.proxy.set({ kind: "none" });
    await until(async () => (await door.health()).waiting === 0);
    expect(door.state).toBe("up");
  });

  it("is told to metrics, and a listener that throws changes nothing", async () => {
    const { door, log } = await suite.openUp();
    const seen: unknown[] = [];
    door.events.on("timed", (event) => seen.push(event));
    door.events.on("timed", () => {
      throw new Error("metrics are broken");
    });
    door.events.on("unavailable", (event) => seen.push(event));
    await door.call("told", (redis) => redis.get("cache:a"));
    await door.disable(true, "for a test");
    await door.call("refused", (redis) => redis.get("cache:a"));
    expect(seen).toEqual([
      { name: "told", seconds: expect.any(Number) },
      { name: "refused", reason: "disabled", unknownOutcome: false },
    ]);
    expect(door.answered().get("told")).toBe(1);
    expect(door.answered().get("refused")).toBeUndefined();
    expect(log.lines.some(({ message }) => message.includes("listener"))).toBe(true);
  });
});

describe("the budget of a request", () => {
  it("bounds all its waits together, and nothing is sent beyond it", async () => {
    const { door } = await suite.openUp({ REDIS_DEADLINE: "80ms", REDIS_REQUEST_BUDGET: "280ms" });
    suite.proxy.set({ kind: "blackHole" });
    await withBudget(async () => {
      const ask = () => door.call("slow", (redis) => redis.get("cache:a"));
      const elapsed = stopwatch();
      expect(await Promise.all([ask(), ask()])).toMatchObject([{ reason: "deadline" }, { reason: "deadline" }]);
      const reasons: string[] = [];
      for (let answer = await ask(); !answer.ok && answer.unknownOutcome; answer = await ask())
        reasons.push(answer.reason);
      expect(elapsed()).toBeLessThan(500);
      expect(reasons.length).toBeGreaterThan(0);
      expect(await ask()).toMatchObject({ reason: "budget", unknownOutcome: false });
    });
    expect((await door.call("outside", (redis) => redis.get("cache:a"))).ok).toBe(false);
  });
});

describe("a script", () => {
  const add: Script = { name: "add", keys: 2, lua: "return redis.call('incrby', KEYS[1], ARGV[1]) + #KEYS[2]" };

  it("runs by its hash, and whole once when the server does not know it", async () => {
    const { door } = await suite.openUp();
    await suite.server.ask("SCRIPT", "FLUSH");
    await suite.server.ask("CONFIG", "RESETSTAT");
    const keys = ["cache:n", "{cache:n}:b"];
    for (const expected of [16, 21, 26]) expect(value(await door.script(add, keys, ["5"]))).toBe(expected);
    const calls = (command: string) => suite.server.info(`cmdstat_${command}`);
    const stats = String(await suite.server.ask("INFO", "commandstats"));
    expect(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1]).toBe("1");
    expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe("3");
    expect(await calls("nothing")).toBe("");
  });

  it.each([
    ["keys of different slots", ["cache:a", "cache:b"], /"add".*different slots.*"cache:a".*"cache:b"/],
    ["too few keys", ["cache:a"], /"add" takes 2 keys and got 1/],
  ])("fails with a clear error for %s, on any topology", async (_, keys, message) => {
    const { door } = await suite.openUp();
    const answer = await door.script(add, keys, ["1"]);
    expect(answer).toMatchObject({ ok: false, reason: "failed", unknownOutcome: false });
    expect(answer.ok || answer.error?.message).toMatch(message);
  });

  it("that fails half-way may have written", async () => {
    const { door } = await suite.openUp();
    const half: Script = { name: "half", keys: 1, lua: "redis.call('set', KEYS[1], 1); return redis.call('nonsense')" };
    expect(await door.script(half, ["cache:half"], [])).toMatchObject({ reason: "failed", unknownOutcome: true });
    expect(door.state).toBe("up");
  });
});
