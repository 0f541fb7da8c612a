import { describe, expect, it } from "vitest";
import { openDoor } from "../support/door.ts";
import { doorSuite } from "../support/door-suite.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

const suite = doorSuite();

describe("the kill switch", () => {
  it("closes every connection, lets no command out, and goes back through recovery", async () => {
    const { door, path, signs, log } = await suite.openUp();
    const subscription = door.subscribe("updates:switch", () => {});
    await until(() => subscription.live);
    await door.call("heavy", (redis) => redis.ping(), { lane: "heavy" });
    const elapsed = stopwatch();
    await door.disable(true, "an operator said so");
    expect(elapsed()).toBeLessThan(1_500);
    expect(subscription.live).toBe(false);
    await until(() => suite.proxy.connections === 0);
    const before = await suite.server.info("total_connections_received");
    expect(await door.call("off", (redis) => redis.get("cache:a"))).toMatchObject({ reason: "disabled" });
    expect(await door.health()).toMatchObject({ state: "disabled", reason: "an operator said so" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(Number(await suite.server.info("total_connections_received"))).toBe(Number(before) + 1);

    await door.disable(false, "and on again");
    await until(() => door.state === "up" && subscription.live);
    expect(path()).toEqual(["up", "disabled", "recovering", "up"]);
    expect(log.lines.map(({ message }) => message)).toContain("Redis is wanted again; connecting (and on again)");
    expect(signs.at(-1)).toMatchObject({ sameData: true });
  });

  it("may be on from the start, and switched in any order and haste", async () => {
    const { door } = suite.open({ DISABLE_REDIS: "true" });
    expect(door.state).toBe("disabled");
    expect(suite.proxy.connections).toBe(0);
    await Promise.all([door.disable(false, "a"), door.disable(true, "b"), door.disable(false, "c")]);
    await until(() => door.state === "up");
    await Promise.all([door.disable(true, "d"), door.disable(false, "e"), door.disable(true, "f")]);
    expect(door.state).toBe("disabled");
    await until(() => suite.proxy.connections === 0);
  });

  it("is how a server without any Redis looks", async () => {
    const one = openDoor({});
    suite.closeLater(one);
    await one.door.disable(false, "there is nothing to switch on");
    expect(await one.door.health()).toMatchObject({ state: "disabled", topology: "none" });
    expect(await one.door.call("none", (redis) => redis.get("a"))).toMatchObject({ ok: false, reason: "disabled" });
  });
});

describe("health", () => {
  it("tells what the last heartbeat saw, however often it is asked", async () => {
    const { door } = await suite.openUp();
    await suite.server.ask("CONFIG", "RESETSTAT");
    const begun = performance.now();
    const elapsed = stopwatch();
    const all = await Promise.all(Array.from({ length: 1_000 }, () => door.health()));
    expect(elapsed()).toBeLessThan(500);
    expect(all[0]).toMatchObject({
      state: "up",
      topology: "single",
      role: "master",
      version: expect.stringMatching(/^\d+\.\d+/),
      connections: { open: 2, limit: 4, serverClients: expect.any(Number) },
      memory: { used: expect.any(Number), max: 0, policy: "noeviction" },
      responseTime: expect.any(Number),
    });
    const calls = async () =>
      Number(/cmdstat_ping:calls=(\d+)/.exec(String(await suite.server.ask("INFO", "commandstats")))?.[1]);
    await until(async () => (await calls()) >= 2, { everyMs: 50 });
    const pings = await calls();
    const beats = (performance.now() - begun) / 1_000;
    expect(pings).toBeLessThanOrEqual(Math.ceil(beats) + 1);
  });
});
