import { describe, expect, it } from "vitest";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { type FaultKit, faults } from "../support/faults.ts";
import { long } from "../support/long.ts";
import { startProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

/** The promise is 1 s and 2 s, the deadline 100 ms; the rest is for servers that a busy machine does not let run. */
const TOLD_WITHIN_MS = 1_000 + (long ? 500 : 1_500);
const BACK_WITHIN_MS = 2_000 + (long ? 1_000 : 3_000);
const ANSWERED_WITHIN_MS = 100 + 100;

/** Keeps asking, as requests do, and remembers the slowest answer. */
function traffic({ door }: OpenedDoor) {
  let slowest = 0;
  let going = true;
  let asked = 0;
  const last: Record<string, boolean> = {};
  const ask = async (name: string, command: () => Promise<{ ok: boolean }>) => {
    while (going) {
      const elapsed = stopwatch();
      last[name] = (await command()).ok;
      asked += 1;
      slowest = Math.max(slowest, elapsed());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const done = Promise.all([
    ask("read", () => door.call("read", (redis) => redis.get("cache:a"))),
    ask("write", () => door.call("write", (redis) => redis.set("cache:a", "1"))),
  ]);
  return {
    last,
    slowest: () => slowest,
    asked: () => asked,
    async stop() {
      going = false;
      await done;
    },
  };
}

async function withKit(
  run: (kit: FaultKit & { opened: OpenedDoor }) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const server = await startRedisServer();
  const proxy = await startProxy(server.port);
  const opened = openDoor({ REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...env }, { start: false });
  try {
    await run({ server, proxy, opened });
  } finally {
    await opened.close();
    await proxy.close();
    await server.close();
  }
}

/** Until the door has written to the canary twice more. */
async function heartbeats(server: RedisServer): Promise<void> {
  const count = async () => Number(await server.ask("HGET", "cache:sluice:canary", "count"));
  const before = await count();
  await until(async () => (await count()) > before + 1);
}

/** Until so many more attempts to connect have failed. */
async function attempts({ door }: OpenedDoor, more: number): Promise<void> {
  let failed = 0;
  const leave = door.events.on("attempt", ({ ok }) => {
    if (!ok) failed += 1;
  });
  await until(() => failed >= more).finally(leave);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.concurrent("while Redis is in trouble", () => {
  it.each(faults)("$name: $during, no call is late, and it is used again when well", async (fault) => {
    await withKit(async ({ server, proxy, opened }) => {
      const { door, is, changes, signs, log } = opened;
      door.start();
      await is("up");
      const calls = traffic(opened);
      await until(() => calls.last.read && calls.last.write);
      await heartbeats(server);
      await is("up");
      const [seen, told] = [changes.length, signs.length];

      const sinceTrouble = stopwatch();
      await fault.begin({ server, proxy });
      await is(fault.during);
      expect(sinceTrouble()).toBeLessThan(TOLD_WITHIN_MS);
      const asked = calls.asked();
      await until(() => calls.asked() > asked + 100);
      expect(door.state).toBe(fault.during);
      await until(() => calls.last.read === (fault.during === "degraded") && !calls.last.write);
      expect((await door.health()).reason).not.toMatch(/127\.0\.0\.1|\d{5}|other/);

      await fault.end({ server, proxy });
      const sinceWell = stopwatch();
      await is("up");
      await until(() => calls.last.read && calls.last.write, { everyMs: 5 });
      expect(sinceWell()).toBeLessThan(BACK_WITHIN_MS);
      await calls.stop();
      expect(calls.slowest()).toBeLessThan(ANSWERED_WITHIN_MS);

      const path = changes.slice(seen).map(({ to }) => to);
      expect(path[0]).toBe(fault.during);
      expect(path.at(-1)).toBe("up");
      const said = log.lines.filter(({ level }) => level === "warn" || level === "info").map(({ message }) => message);
      const later = said.filter((message) => message.includes("is still out"));
      expect(said.length - later.length).toBe(changes.length);
      // Each reason that was found later once.
      expect(new Set(later).size).toBe(later.length);
      if (fault.sameData === true) expect(signs.slice(told).every(({ sameData }) => sameData)).toBe(true);
      if (fault.sameData === false) expect(signs[told]).toMatchObject({ sameData: false });
    });
  });

  it("down at start: refused at once, and used within 2 s of being there", async () => {
    await withKit(async ({ server, opened }) => {
      await server.kill();
      const { door, is, log, signs } = opened;
      door.start();
      await is("down");
      const elapsed = stopwatch();
      expect(await door.call("get", (redis) => redis.get("cache:a"))).toMatchObject({ reason: "down" });
      expect(elapsed()).toBeLessThan(50);
      await attempts(opened, 3);
      expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
      await server.start();
      const sinceWell = stopwatch();
      await is("up");
      expect(sinceWell()).toBeLessThan(BACK_WITHIN_MS);
      expect(signs[0]).toEqual({ sameData: false });
    });
  });

  it.each([
    ["a freeze", ({ server }: FaultKit) => server.freeze(), ({ server }: FaultKit) => server.thaw()],
    [
      "a black hole",
      ({ proxy }: FaultKit) => proxy.set({ kind: "blackHole" }),
      ({ proxy }: FaultKit) => proxy.set({ kind: "none" }),
    ],
  ])("%s is noticed within 1 s when nobody asks anything", async (_, begin, end) => {
    await withKit(async (kit) => {
      const { door, is, changes } = kit.opened;
      door.start();
      await is("up");
      const seen = changes.length;
      begin(kit);
      const elapsed = stopwatch();
      await until(() => changes.length > seen, { everyMs: 5 });
      expect(elapsed()).toBeLessThan(TOLD_WITHIN_MS);
      expect(door.state).toBe("down");
      end(kit);
      await is("up");
    });
  });

  it("frozen at start: the first state is down, and used within 2 s of the thaw", async () => {
    await withKit(async ({ server, opened }) => {
      server.freeze();
      opened.door.start();
      await opened.is("down");
      await attempts(opened, 1);
      server.thaw();
      const sinceWell = stopwatch();
      await opened.is("up");
      expect(sinceWell()).toBeLessThan(BACK_WITHIN_MS);
    });
  });

  it("reset every second: used again after each", async () => {
    await withKit(async ({ proxy, opened }) => {
      const { door, is, changes } = opened;
      door.start();
      await is("up");
      const calls = traffic(opened);
      for (let round = 0; round < 4; round += 1) {
        const seen = changes.length;
        proxy.reset();
        await until(() => changes.slice(seen).some(({ to }) => to === "down"), { everyMs: 5 });
        const elapsed = stopwatch();
        await is("up");
        expect(elapsed()).toBeLessThan(BACK_WITHIN_MS);
        await sleep(Math.max(0, 1_000 - elapsed()));
      }
      await calls.stop();
      expect(calls.slowest()).toBeLessThan(ANSWERED_WITHIN_MS);
    });
  });

  it.each([
    ["FLUSHALL", (server: RedisServer) => server.ask("FLUSHALL")],
    ["restarted empty between two heartbeats", (server: RedisServer) => server.restart({ keepData: false })],
    ["restarted with its data", (server: RedisServer) => server.restart({ keepData: true })],
  ])("%s: noticed within 1 s, an outage although it answers", async (_, trouble) => {
    await withKit(async ({ server, opened }) => {
      const { door, is, changes, signs } = opened;
      door.start();
      await is("up");
      await heartbeats(server);
      await is("up");
      const [seen, told] = [changes.length, signs.length];
      await trouble(server);
      const elapsed = stopwatch();
      await until(() => changes.slice(seen).some(({ to }) => to === "down"), { everyMs: 5 });
      expect(elapsed()).toBeLessThan(TOLD_WITHIN_MS);
      await until(() => signs.length > told);
      await is("up");
      expect(signs[told]).toEqual({ sameData: false });
    });
  });

  it("an older snapshot under a server that answers is other data", async () => {
    await withKit(async ({ server, opened }) => {
      opened.door.start();
      await opened.is("up");
      const restore = await server.snapshot();
      await heartbeats(server);
      const told = opened.signs.length;
      await restore();
      await until(() => opened.signs.length > told);
      await opened.is("up");
      expect(opened.signs.at(-1)).toMatchObject({ sameData: false });
    });
  });

  it("a canary of another kind is replaced", async () => {
    await withKit(async ({ server, opened }) => {
      await server.ask("SET", "cache:sluice:canary", "somebody else's");
      opened.door.start();
      await opened.is("up");
    });
  });

  // A busy machine must not make the watchdog bark.
  const patientWatchdog = { REDIS_WATCHDOG: "4s" };

  it("opens after five late replies in a row, and answers in 0 ms from then on", async () => {
    await withKit(async ({ proxy, opened }) => {
      const { door, is, changes } = opened;
      door.start();
      await is("up");
      proxy.set({ kind: "latency", ms: 400 });
      const ask = () => door.call("x", (redis) => redis.get("cache:a"));
      const some = () => Promise.all(Array.from({ length: 5 }, ask));
      for (let turn = 0; turn < 4; turn += 1)
        expect((await some()).every((answer) => !answer.ok && answer.unknownOutcome)).toBe(true);
      expect(door.state).toBe("up");
      await some();
      expect(door.state).toBe("down");
      expect(changes.at(-1)?.reason).toMatch(/late/);
      const elapsed = stopwatch();
      for (let n = 0; n < 1_000; n += 1) expect(await ask()).toMatchObject({ reason: "down", unknownOutcome: false });
      expect(elapsed()).toBeLessThan(500);
      proxy.set({ kind: "none" });
      await is("up");
    }, patientWatchdog);
  });

  it("one pause that is shorter than the watchdog's time is no outage, however many wait for it", async () => {
    await withKit(async ({ proxy, opened }) => {
      const { door, is, changes } = opened;
      door.start();
      await is("up");
      const before = changes.length;
      const ask = () => door.call("x", (redis) => redis.get("cache:a"));
      const many = () => Promise.all(Array.from({ length: 50 }, ask));
      // Not all are let in at once when it has just come up.
      await until(async () => (await many()).every(({ ok }) => ok));
      proxy.set({ kind: "latency", ms: 400 });
      const answers = await many();
      proxy.set({ kind: "none" });
      expect(answers.every((answer) => !answer.ok && answer.reason === "deadline")).toBe(true);
      await until(async () => (await ask()).ok);
      expect(changes.slice(before)).toEqual([]);
    }, patientWatchdog);
  });
});
