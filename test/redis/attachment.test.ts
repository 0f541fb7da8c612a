import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDeadlines } from "../../src/kernel/deadline.ts";
import { attach } from "../../src/redis/attachment.ts";
import type { Discovery } from "../../src/redis/discovery.ts";
import { createSubscriber } from "../../src/redis/subscriber.ts";
import { recorder } from "../support/door.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const shards: { server: RedisServer; proxy: TcpProxy }[] = [];
beforeAll(async () => {
  for (let n = 0; n < 2; n += 1) {
    const server = await startRedisServer();
    shards.push({ server, proxy: await startProxy(server.port) });
  }
});
afterAll(async () => {
  for (const { server, proxy } of shards) {
    await proxy.close();
    await server.close();
  }
});

/** Two masters of half the slots each, wherever a real cluster would have said they are. */
const discovery: Discovery = {
  find: async () =>
    shards.map(({ proxy }, n) => ({
      address: { host: "127.0.0.1", port: proxy.port },
      slots: [[n * 8_192, n * 8_192 + 8_191]] as const,
    })),
  recheck: async () => undefined,
  close() {},
};

describe("an attempt to connect to several servers", () => {
  it("leaves no connection behind when one of them is lost while another still connects", async () => {
    const [one, two] = shards as [(typeof shards)[0], (typeof shards)[0]];
    const deadlines = createDeadlines();
    const ends: string[] = [];
    two.proxy.set({ kind: "latency", ms: 300 });
    const attempt = attach({
      kind: "cluster",
      access: { database: 0, tls: false },
      discovery,
      deadlines,
      subscriber: createSubscriber({
        deadlines,
        patienceMs: 1_000,
        backoffMaxMs: 50,
        onAttempt: () => undefined,
        log: recorder(),
      }),
      deadlineMs: 1_000,
      patienceMs: 5_000,
      connectMs: 5_000,
      pool: 1,
      signal: new AbortController().signal,
      onEnd: (why) => ends.push(why),
    });
    attempt.catch(() => {});
    await until(async () => String(await one.server.ask("CLIENT", "LIST")).includes("name=sluice"), { everyMs: 5 });
    expect(two.proxy.connections).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    one.proxy.reset();
    await expect(attempt).rejects.toThrow();
    await until(() => one.proxy.connections === 0 && two.proxy.connections === 0);
    expect(ends).toEqual([]);
    deadlines.close();
  });
});
