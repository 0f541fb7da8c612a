import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Limiter } from "../../src/kernel/limiter.ts";
import { createLimiter } from "../../src/redis/limiter.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(() => server.close());

const opened: OpenedDoor[] = [];
async function open(env: Record<string, string> = patient): Promise<OpenedDoor> {
  const one = openDoor({ REDIS_URL: server.url, ...env });
  opened.push(one);
  await one.is("up");
  return one;
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await server.ask("FLUSHALL");
});

const limit = { points: 3, seconds: 60 };
async function consume(limiter: Limiter, times: number, key = "203.0.113.7"): Promise<boolean[]> {
  const allowed: boolean[] = [];
  for (let n = 0; n < times; n += 1) allowed.push((await limiter.consume(key)).allowed);
  return allowed;
}

describe("a limit", () => {
  it("is shared by all instances, and tells what is left", async () => {
    const [one, two] = [await open(), await open()].map(({ door }) => createLimiter({ name: "login", limit, door }));
    if (!one || !two) return expect.unreachable();
    const first = { allowed: true, limit: 3, remaining: 2, resetSeconds: expect.any(Number), windowSeconds: 60 };
    expect(await one.consume("k")).toEqual(first);
    expect((await two.consume("k")).remaining).toBe(1);
    expect(await two.peek("k")).toMatchObject({ allowed: true, remaining: 1 });
    expect((await one.consume("k")).remaining).toBe(0);
    expect(await two.peek("k")).toMatchObject({ allowed: false, remaining: 0 });
    expect(await two.consume("k")).toMatchObject({ allowed: false, remaining: 0 });
    expect((await two.consume("other")).allowed).toBe(true);
    await two.forget("k");
    expect(await one.peek("k")).toMatchObject({ allowed: true, remaining: 3 });
  });

  it("takes several points at once", async () => {
    const { door } = await open();
    const limiter = createLimiter({ name: "events", limit, door });
    expect((await limiter.consume("k", 3)).allowed).toBe(true);
    expect((await limiter.consume("k", 2)).allowed).toBe(false);
  });

  it("ends with its window", async () => {
    const { door } = await open();
    const limiter = createLimiter({ name: "short", limit: { points: 1, seconds: 3 }, door });
    expect(await consume(limiter, 2)).toEqual([true, false]);
    expect((await limiter.peek("203.0.113.7")).resetSeconds).toBeLessThanOrEqual(3);
    await until(async () => (await limiter.peek("203.0.113.7")).allowed);
    expect(await consume(limiter, 1)).toEqual([true]);
  });

  it("stands in Redis under a key that shows neither address nor name, and expires", async () => {
    const { door } = await open();
    await createLimiter({ name: "login", limit, door }).consume("alice@example.test 203.0.113.7");
    const keys = ((await server.ask("KEYS", "cache:limit:*")) as string[]).filter((key) => !key.includes("canary"));
    expect(keys).toEqual([expect.stringMatching(/^cache:limit:login:[\w-]{22}$/)]);
    expect(Number(await server.ask("TTL", keys[0] ?? ""))).toBeGreaterThan(0);
  });

  it("goes on when Redis is out, from what this process has counted, and comes back to the shared count", async () => {
    const { door } = await open();
    const limiter = createLimiter({ name: "login", limit, door });
    expect(await consume(limiter, 4)).toEqual([true, true, true, false]);
    await door.disable(true, "for a test");
    expect(await consume(limiter, 1)).toEqual([false]);
    expect(await consume(limiter, 4, "somebody else")).toEqual([true, true, true, false]);
    await door.disable(false, "for a test");
    await until(() => door.state === "up");
    expect(await consume(limiter, 1)).toEqual([false]);
    expect(await limiter.peek("somebody else")).toMatchObject({ allowed: true, remaining: 3 });
  });

  it("answers within its deadline when Redis is frozen, and never throws", async () => {
    const { door } = await open({});
    const limiter = createLimiter({ name: "login", limit, door });
    server.freeze();
    try {
      expect(await consume(limiter, 4)).toEqual([true, true, true, false]);
      expect(await limiter.peek("nobody")).toMatchObject({ allowed: true });
      await limiter.forget("nobody");
    } finally {
      server.thaw();
    }
  });

  it("counts in this process alone when there is no Redis", async () => {
    const limiter = createLimiter({ name: "login", limit, door: undefined });
    expect(await consume(limiter, 4)).toEqual([true, true, true, false]);
    expect((await limiter.peek("203.0.113.7")).allowed).toBe(false);
    await limiter.forget("203.0.113.7");
    expect(await consume(limiter, 1)).toEqual([true]);
  });
});
