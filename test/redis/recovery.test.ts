import { describe, expect, it } from "vitest";
import type { Answer } from "../../src/redis/types.ts";
import { doorSuite } from "../support/door-suite.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

const suite = doorSuite();

describe("recovery", () => {
  it("runs the stages in order before anybody else may use Redis, and lets the stages use it", async () => {
    const { door, path } = suite.open({}, { start: false });
    const seen: string[] = [];
    door.onRecovery({
      name: "second",
      order: 20,
      run: async () => {
        seen.push(`second ${(await door.call("inside", (redis) => redis.ping())).ok}`);
      },
    });
    let outside: Answer<unknown> | undefined;
    door.onRecovery({
      name: "first",
      order: 10,
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        seen.push(`first ${door.state}`);
      },
    });
    const timer = setInterval(async () => {
      if (door.state === "recovering") outside = await door.call("outside", (redis) => redis.ping());
    }, 2);
    door.start();
    await until(() => door.state === "up");
    clearInterval(timer);
    expect(seen).toEqual(["first recovering", "second true"]);
    expect(outside).toEqual({ ok: false, reason: "down", unknownOutcome: false });
    expect(path()).toEqual(["up"]);
  });

  it("stays unused while a stage fails, says why once, and tries again", async () => {
    const { door, log } = suite.open({}, { start: false });
    let tries = 0;
    let fails = true;
    door.onRecovery({
      name: "replay",
      order: 1,
      run: async () => {
        tries += 1;
        if (fails) throw new Error("MongoDB does not answer");
      },
    });
    door.start();
    await until(() => tries >= 2);
    expect(door.state).toBe("recovering");
    expect((await door.health()).reason).toContain("replay");
    const before = tries;
    fails = false;
    await until(() => door.state === "up");
    expect(tries).toBeGreaterThan(before);
    expect(log.lines.filter(({ level, message }) => level === "warn" && message.includes("replay"))).toHaveLength(1);
  });

  it("is cut short with a stage that hangs: by the kill switch, by a loss, and by closing", async () => {
    const { door, close } = suite.open({}, { start: false });
    let running = 0;
    let hangs = true;
    const run = async () => {
      running += 1;
      if (hangs) await new Promise(() => {});
    };
    door.onRecovery({ name: "hanging", order: 1, run });
    door.start();
    const soon = async (end: () => Promise<unknown>) => {
      const elapsed = stopwatch();
      await end();
      // A stage may take 10 s.
      expect(elapsed()).toBeLessThan(5_000);
    };
    await until(() => running >= 1);
    await soon(() => door.disable(true, "an operator said so"));
    await until(() => suite.proxy.connections === 0);
    await door.disable(false, "and on again");
    await until(() => running >= 2);
    hangs = false;
    suite.proxy.reset();
    await soon(() => until(() => door.state === "up"));
    hangs = true;
    const before = running;
    suite.proxy.reset();
    await until(() => running > before);
    await soon(close);
  });

  it("does not let a stage that was given up use the next connection before its time", async () => {
    const { door } = suite.open({}, { start: false });
    const release: (() => void)[] = [];
    const answers: boolean[] = [];
    const run = async () => {
      const first = release.length === 0;
      await new Promise<void>((resolve) => release.push(resolve));
      const { ok } = await door.call("stage", (redis) => redis.ping());
      if (first) answers.push(ok);
    };
    door.onRecovery({ name: "slow", order: 1, run });
    door.start();
    await until(() => release.length === 1);
    suite.proxy.reset();
    await until(() => release.length === 2);
    release[0]?.();
    await until(() => answers.length === 1);
    expect(answers).toEqual([false]);
    release[1]?.();
    await until(() => door.state === "up");
  });

  it("forgets a stage that was taken back", async () => {
    const { door } = suite.open({}, { start: false });
    let ran = false;
    const run = async () => {
      ran = true;
    };
    const forget = door.onRecovery({ name: "gone", order: 1, run });
    forget();
    door.start();
    await until(() => door.state === "up");
    expect(ran).toBe(false);
  });
});

describe("the return", () => {
  it("admits a few calls at a time at first, and all of them shortly after", async () => {
    const { door } = await suite.openUp();
    const flood = async (count: number) => {
      const answers = await Promise.all(
        Array.from({ length: count }, () => door.call("flood", (redis) => redis.get("cache:a"))),
      );
      return answers.filter(({ ok }) => ok).length;
    };
    // In the moment itself: how many are admitted grows with the time.
    const returned = new Promise<number>((resolve) => {
      door.events.on("state", ({ to }) => to === "up" && resolve(flood(2_000)));
    });
    suite.proxy.reset();
    const first = await returned;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(2_000);
    await until(async () => (await flood(2_000)) === 2_000);
  });
});
