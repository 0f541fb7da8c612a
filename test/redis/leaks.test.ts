import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { handles, noMoreThan, socketsInMemory } from "../support/handles.ts";
import { long } from "../support/long.ts";
import { startProxy, type TcpProxy, type Trouble } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

/** Small figures make many rounds; the mechanics are the same. */
const quick = {
  REDIS_DEADLINE: "30ms",
  REDIS_WATCHDOG: "60ms",
  REDIS_BACKOFF_MAX: "50ms",
  REDIS_CONNECT_TIMEOUT: "150ms",
};

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

const settled = ({ door }: OpenedDoor) =>
  until(async () => door.state === "up" && (await door.health()).waiting === 0, { everyMs: 5 });

/** Asks until Redis is out, so that the breaker sees it and not only the next heartbeat. */
async function untilOut({ door }: OpenedDoor): Promise<void> {
  await until(
    () => {
      void door.call("ask", (redis) => redis.get("cache:a"));
      return door.state === "down";
    },
    { everyMs: 5 },
  );
}

/** Has a connection of the heavy lane opened, which is one more. */
async function heavy({ door }: OpenedDoor): Promise<void> {
  await until(async () => (await door.call("heavy", (redis) => redis.ping(), { lane: "heavy", deadlineMs: 5_000 })).ok);
}

describe("nothing is left behind", () => {
  it("after a hundred troubles of the network", async () => {
    const opened = openDoor({ REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...quick });
    const subscription = opened.door.subscribe("updates:leaks", () => {});
    const troubles: (Trouble | "reset")[] = [
      "reset",
      { kind: "blackHole" },
      { kind: "halfOpen" },
      { kind: "latency", ms: 200 },
      { kind: "refuse" },
      { kind: "drip", bytes: 1, everyMs: 40 },
    ];
    try {
      await settled(opened);
      await until(() => subscription.live);
      await heavy(opened);
      const [before, inMemory] = [handles(), socketsInMemory()];
      for (let round = 0; round < 100; round += 1) {
        const trouble = troubles[round % troubles.length] ?? "reset";
        if (trouble === "reset" || trouble.kind === "refuse") proxy.reset();
        if (trouble !== "reset") proxy.set(trouble);
        if (trouble !== "reset") await untilOut(opened);
        proxy.set({ kind: "none" });
        await settled(opened);
      }
      await until(() => subscription.live);
      await heavy(opened);
      await noMoreThan(before, { Timeout: 2 });
      const [now, was] = [socketsInMemory(), inMemory];
      if (now !== undefined && was !== undefined) expect(now).toBeLessThanOrEqual(was + 8);
      expect(opened.door.events.count("state")).toBe(1);
    } finally {
      await opened.close();
    }
  }, 120_000);

  it("after three deaths and three freezes of the server", async () => {
    const opened = openDoor({ REDIS_URL: server.url, ...quick });
    try {
      await settled(opened);
      const before = handles();
      for (let round = 0; round < 3; round += 1) {
        server.freeze();
        await untilOut(opened);
        server.thaw();
        await settled(opened);
        await server.kill();
        await untilOut(opened);
        await server.start();
        await settled(opened);
      }
      await noMoreThan(before, { Timeout: 2 });
    } finally {
      await opened.close();
    }
  }, 60_000);

  it("by connecting and disconnecting in a loop, whenever it is closed", async () => {
    const before = handles();
    const inMemory = socketsInMemory();
    const end = performance.now() + (long ? 30_000 : 3_000);
    for (let rounds = 0; performance.now() < end || rounds < 20; rounds += 1) {
      const opened = openDoor({ REDIS_URL: server.url });
      opened.door.subscribe("updates:loop", () => {});
      // Some are closed before they are connected, some in the middle of it, some when all is well.
      if (rounds % 3 === 1) await new Promise((resolve) => setTimeout(resolve, rounds % 7));
      if (rounds % 3 === 2) await opened.is("up");
      await opened.close();
    }
    await noMoreThan(before, { Timeout: 2 });
    const [now, was] = [socketsInMemory(), inMemory];
    if (now !== undefined && was !== undefined) expect(now).toBeLessThanOrEqual(was + 8);
    await until(async () => Number(await server.info("connected_clients")) <= 2);
  }, 60_000);

  it("by closing while Redis does not answer at all", async () => {
    const before = handles();
    proxy.set({ kind: "blackHole" });
    try {
      for (let round = 0; round < 5; round += 1) {
        const opened = openDoor({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
        await new Promise((resolve) => setTimeout(resolve, 20));
        const elapsed = stopwatch();
        await opened.close();
        expect(elapsed()).toBeLessThan(2_000);
      }
      await noMoreThan(before, { Timeout: 2 });
    } finally {
      proxy.set({ kind: "none" });
    }
  });
});
