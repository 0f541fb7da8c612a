import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { withBudget } from "../../src/kernel/budget.ts";
import type { Answer, Script } from "../../src/redis/types.ts";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startRedisServer();
  proxy = await startProxy(server.port);
});
afterAll(async () => {
  await proxy.close();
  await server.close();
});

const opened: OpenedDoor[] = [];
function open(env: Record<string, string> = {}, options?: { start: boolean }): OpenedDoor {
  const one = openDoor({ REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...env }, options);
  opened.push(one);
  return one;
}
async function openUp(env: Record<string, string> = {}): Promise<OpenedDoor> {
  const one = open(env);
  await one.is("up");
  return one;
}
afterEach(async () => {
  proxy.set({ kind: "none" });
  for (const one of opened.splice(0)) await one.close();
  await until(() => proxy.connections === 0);
});

const value = <T>(answer: Answer<T>): T => {
  if (!answer.ok) throw new Error(`no answer: ${answer.reason} ${answer.error?.message}`);
  return answer.value;
};

/** A server that stays well for the breaker but too slow for one command. */
const patient = { REDIS_WATCHDOG: "9s" };

describe("a call", () => {
  it("answers what Redis answers", async () => {
    const { door } = await openUp();
    expect(value(await door.call("set", (redis) => redis.set("cache:a", "1")))).toBe("OK");
    expect(value(await door.call("get", (redis) => redis.get("cache:a")))).toBe("1");
  });

  it("carries several commands in one round trip", async () => {
    const { door } = await openUp();
    const answer = await door.call("many", (redis) =>
      Promise.all([redis.sAdd("cache:s", ["x", "y"]), redis.sMembers("cache:s"), redis.sCard("cache:s")]),
    );
    expect(value(answer)[2]).toBe(2);
  });

  it("is refused at once before there is a connection, and nothing was sent", async () => {
    const { door } = open({}, { start: false });
    let ran = false;
    const answer = await door.call("early", async () => {
      ran = true;
    });
    expect(answer).toEqual({ ok: false, reason: "down", unknownOutcome: false });
    expect(ran).toBe(false);
  });

  it("resolves when the command throws before it is sent, and when it answers no promise", async () => {
    const { door, log } = await openUp();
    const thrown = await door.call("broken", () => {
      throw new TypeError("written wrong");
    });
    expect(thrown).toMatchObject({ ok: false, reason: "failed", error: { message: "written wrong" } });
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(await door.call("plain", () => 5 as never)).toEqual({ ok: true, value: 5 });
    expect(door.state).toBe("up");
  });

  it("tells a command that is wrong from a Redis that is", async () => {
    const { door, log } = await openUp();
    await door.call("set", (redis) => redis.set("cache:text", "x"));
    for (let n = 0; n < 10; n += 1) {
      const answer = await door.call("wrong", (redis) => redis.lLen("cache:text"));
      expect(answer).toMatchObject({ ok: false, reason: "failed", unknownOutcome: false });
    }
    expect(door.state).toBe("up");
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  it("is given up at its deadline, its outcome unknown, and the late reply harms nobody", async () => {
    const { door } = await openUp(patient);
    proxy.set({ kind: "latency", ms: 250 });
    const begun = performance.now();
    const answer = await door.call("slow", (redis) => redis.lLen("cache:late"), { deadlineMs: 50 });
    expect(answer).toEqual({ ok: false, reason: "deadline", unknownOutcome: true });
    expect(performance.now() - begun).toBeLessThan(240);
    await until(async () => (await door.health()).waiting === 0);
    expect(door.state).toBe("up");
  });

  it("is told to metrics, and a listener that throws changes nothing", async () => {
    const { door, log } = await openUp();
    const seen: unknown[] = [];
    door.events.on("answered", (event) => seen.push(event));
    door.events.on("answered", () => {
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
    expect(log.lines.some(({ message }) => message.includes("listener"))).toBe(true);
  });
});

describe("the budget of a request", () => {
  it("bounds all its waits together, and nothing is sent beyond it", async () => {
    const { door } = await openUp({ ...patient, REDIS_DEADLINE: "80ms", REDIS_REQUEST_BUDGET: "280ms" });
    proxy.set({ kind: "blackHole" });
    await withBudget(async () => {
      const ask = () => door.call("slow", (redis) => redis.get("cache:a"));
      const begun = performance.now();
      expect(await Promise.all([ask(), ask()])).toMatchObject([{ reason: "deadline" }, { reason: "deadline" }]);
      const reasons: string[] = [];
      for (let answer = await ask(); !answer.ok && answer.unknownOutcome; answer = await ask())
        reasons.push(answer.reason);
      expect(performance.now() - begun).toBeLessThan(500);
      expect(reasons.length).toBeGreaterThan(0);
      expect(await ask()).toMatchObject({ reason: "budget", unknownOutcome: false });
    });
    expect((await door.call("outside", (redis) => redis.get("cache:a"))).ok).toBe(false);
  });
});

describe("a script", () => {
  const add: Script = { name: "add", keys: 2, lua: "return redis.call('incrby', KEYS[1], ARGV[1]) + #KEYS[2]" };

  it("runs by its hash, and whole once when the server does not know it", async () => {
    const { door } = await openUp();
    await server.ask("SCRIPT", "FLUSH");
    await server.ask("CONFIG", "RESETSTAT");
    const keys = ["cache:n", "{cache:n}:b"];
    for (const expected of [16, 21, 26]) expect(value(await door.script(add, keys, ["5"]))).toBe(expected);
    const calls = (command: string) => server.info(`cmdstat_${command}`);
    const stats = String(await server.ask("INFO", "commandstats"));
    expect(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1]).toBe("1");
    expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe("3");
    expect(await calls("nothing")).toBe("");
  });

  it.each([
    ["keys of different slots", ["cache:a", "cache:b"], /"add".*different slots.*"cache:a".*"cache:b"/],
    ["too few keys", ["cache:a"], /"add" takes 2 keys and got 1/],
  ])("fails with a clear error for %s, on any topology", async (_, keys, message) => {
    const { door } = await openUp();
    const answer = await door.script(add, keys, ["1"]);
    expect(answer).toMatchObject({ ok: false, reason: "failed", unknownOutcome: false });
    expect(answer.ok || answer.error?.message).toMatch(message);
  });

  it("that fails half-way may have written", async () => {
    const { door } = await openUp();
    const half: Script = { name: "half", keys: 1, lua: "redis.call('set', KEYS[1], 1); return redis.call('nonsense')" };
    expect(await door.script(half, ["cache:half"], [])).toMatchObject({ reason: "failed", unknownOutcome: true });
    expect(door.state).toBe("up");
  });
});

describe("the heavy lane", () => {
  it("has connections of its own, so that long work holds up nobody", async () => {
    const { door } = await openUp({ REDIS_WATCHDOG: "400ms" });
    const blocked = door.call(
      "wait",
      (redis) => (redis as never as Blocking).sendCommand(["BLPOP", "cache:none", "1"]),
      {
        lane: "heavy",
        deadlineMs: 5_000,
      },
    );
    await until(async () => (await server.info("blocked_clients")) === "1");
    expect((await door.call("quick", (redis) => redis.get("cache:a"))).ok).toBe(true);
    expect(await blocked).toEqual({ ok: true, value: null });
    expect(door.state).toBe("up");
    expect((await door.health()).connections.open).toBe(3);
  });

  it("replaces a connection that is stuck", async () => {
    const { door } = await openUp();
    const wait = (seconds: string, deadlineMs: number) =>
      door.call("wait", (redis) => (redis as never as Blocking).sendCommand(["BLPOP", "cache:none", seconds]), {
        lane: "heavy",
        deadlineMs,
      });
    expect(await wait("0", 60)).toMatchObject({ reason: "deadline", unknownOutcome: true });
    await until(async () => (await server.info("blocked_clients")) === "0");
    expect((await door.call("scan", (redis) => redis.scan("0"), { lane: "heavy", deadlineMs: 2_000 })).ok).toBe(true);
    expect(door.state).toBe("up");
  });
});
interface Blocking {
  sendCommand(words: string[]): Promise<unknown>;
}

describe("a subscription", () => {
  it("delivers, says whether it is live, and comes back by itself", async () => {
    const { door } = await openUp();
    const heard: string[] = [];
    const lives: boolean[] = [];
    const subscription = door.subscribe("updates:test", (message) => heard.push(message));
    subscription.onLive((live) => lives.push(live));
    await until(() => subscription.live);
    await server.ask("PUBLISH", "updates:test", "one");
    await until(() => heard.length === 1);
    proxy.reset();
    await until(() => lives.length === 3);
    await server.ask("PUBLISH", "updates:test", "two");
    await until(() => heard.length === 2);
    expect(heard).toEqual(["one", "two"]);
    expect(lives).toEqual([true, false, true]);
    await subscription.close();
    await until(async () => Number(((await server.ask("PUBSUB", "NUMSUB", "updates:test")) as unknown[])[1]) === 0);
  });

  it("may be made before there is a connection, and shared by many", async () => {
    const one = open({}, { start: false });
    const heard: string[] = [];
    const first = one.door.subscribe("updates:early", (message) => heard.push(`first ${message}`));
    const second = one.door.subscribe("updates:early", (message) => heard.push(`second ${message}`));
    expect(first.live).toBe(false);
    one.door.start();
    await until(() => first.live && second.live);
    await first.close();
    await server.ask("PUBLISH", "updates:early", "x");
    await until(() => heard.length > 0);
    expect(heard).toEqual(["second x"]);
  });

  it("hears patterns and bytes, and survives a listener that throws", async () => {
    const { door, log } = await openUp();
    const heard: [string, string][] = [];
    const broken = door.listen({ pattern: "updates:p:*" }, () => {
      throw new Error("listener is broken");
    });
    const whole = door.listen({ pattern: "updates:p:*" }, (bytes, channel) =>
      heard.push([bytes.toString("hex"), channel]),
    );
    await until(() => broken.live && whole.live);
    await door.call("publish", (redis) => redis.publish("updates:p:1", Buffer.from([0, 255]) as never));
    await until(() => heard.length === 1);
    expect(heard).toEqual([["00ff", "updates:p:1"]]);
    expect(log.lines.some(({ level }) => level === "error")).toBe(true);
    expect(door.state).toBe("up");
  });

  it("notices that its own connection is frozen while the others are well", async () => {
    const own = await startProxy(server.port);
    try {
      const one = openDoor({ REDIS_URL: `redis://127.0.0.1:${own.port}` });
      opened.push(one);
      await one.is("up");
      const subscription = one.door.subscribe("updates:frozen", () => {});
      await until(() => subscription.live);
      const lives: boolean[] = [];
      subscription.onLive((live) => lives.push(live));
      own.freezeNewest();
      await until(() => lives.length === 2);
      expect(one.changes.map(({ to }) => to)).toEqual(["up"]);
      expect(lives).toEqual([false, true]);
      expect(one.log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
    } finally {
      await own.close();
    }
  });
});

describe("recovery", () => {
  it("runs the stages in order before anybody else may use Redis, and lets the stages use it", async () => {
    const { door, changes } = open({}, { start: false });
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
    expect(changes.map(({ to }) => to)).toEqual(["up"]);
  });

  it("stays unused while a stage fails, says why once, and tries again", async () => {
    const { door, log } = open({}, { start: false });
    let tries = 0;
    door.onRecovery({
      name: "replay",
      order: 1,
      run: async () => {
        tries += 1;
        if (tries < 4) throw new Error("MongoDB does not answer");
      },
    });
    door.start();
    await until(() => tries === 2);
    expect(door.state).toBe("recovering");
    expect((await door.health()).reason).toContain("replay");
    await until(() => door.state === "up");
    expect(tries).toBe(4);
    expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("forgets a stage that was taken back", async () => {
    const { door } = open({}, { start: false });
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
    const { door } = await openUp();
    const flood = async (count: number) => {
      const answers = await Promise.all(
        Array.from({ length: count }, () => door.call("flood", (redis) => redis.get("cache:a"))),
      );
      return answers.filter(({ ok }) => ok).length;
    };
    proxy.reset();
    await until(() => door.state === "down", { everyMs: 1 });
    await until(() => door.state === "up", { everyMs: 1 });
    const first = await flood(2_000);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(2_000);
    await until(async () => (await flood(2_000)) === 2_000);
  });
});

describe("the kill switch", () => {
  it("closes every connection, lets no command out, and goes back through recovery", async () => {
    const { door, changes, signs } = await openUp();
    const subscription = door.subscribe("updates:switch", () => {});
    await until(() => subscription.live);
    await door.call("heavy", (redis) => redis.ping(), { lane: "heavy" });
    const begun = performance.now();
    await door.disable(true, "an operator said so");
    expect(performance.now() - begun).toBeLessThan(1_500);
    expect(subscription.live).toBe(false);
    await until(() => proxy.connections === 0);
    const before = await server.info("total_connections_received");
    expect(await door.call("off", (redis) => redis.get("cache:a"))).toMatchObject({ reason: "disabled" });
    expect(await door.health()).toMatchObject({ state: "disabled", reason: "an operator said so" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(Number(await server.info("total_connections_received"))).toBe(Number(before) + 1);

    await door.disable(false, "and on again");
    await until(() => door.state === "up" && subscription.live);
    expect(changes.map(({ to }) => to)).toEqual(["up", "disabled", "recovering", "up"]);
    expect(signs.at(-1)).toMatchObject({ sameData: true, firstConnect: false });
  });

  it("may be on from the start, and switched in any order and haste", async () => {
    const { door } = open({ DISABLE_REDIS: "true" });
    expect(door.state).toBe("disabled");
    expect(proxy.connections).toBe(0);
    await Promise.all([door.disable(false, "a"), door.disable(true, "b"), door.disable(false, "c")]);
    await until(() => door.state === "up");
    await Promise.all([door.disable(true, "d"), door.disable(false, "e"), door.disable(true, "f")]);
    expect(door.state).toBe("disabled");
    await until(() => proxy.connections === 0);
  });

  it("is how a server without any Redis looks", async () => {
    const one = openDoor({});
    opened.push(one);
    await one.door.disable(false, "there is nothing to switch on");
    expect(await one.door.health()).toMatchObject({ state: "disabled", topology: "none" });
    expect(await one.door.call("none", (redis) => redis.get("a"))).toMatchObject({ ok: false, reason: "disabled" });
  });
});

describe("health", () => {
  it("tells what the last heartbeat saw, however often it is asked", async () => {
    const { door } = await openUp();
    await server.ask("CONFIG", "RESETSTAT");
    const begun = performance.now();
    const all = await Promise.all(Array.from({ length: 1_000 }, () => door.health()));
    expect(performance.now() - begun).toBeLessThan(500);
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
      Number(/cmdstat_ping:calls=(\d+)/.exec(String(await server.ask("INFO", "commandstats")))?.[1]);
    await until(async () => (await calls()) >= 2, { everyMs: 50 });
    const beats = (performance.now() - begun) / 1_000;
    expect(await calls()).toBeLessThanOrEqual(Math.ceil(beats) + 1);
  });
});
