import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { currentBudget, withBudget } from "../../src/kernel/budget.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Instance, startInstance } from "../support/session-store.ts";
import { sessionOf } from "../support/store-calls.ts";

const day = 86_400_000;

describe("a request that has waited for Redis as long as it may", () => {
  const mongo = mongoUrl("request-budget");
  let redis: RedisServer;
  let server: Instance;

  beforeAll(async () => {
    redis = await startRedisServer();
    // A busy machine must not make it doubt: only the budget may.
    server = await startInstance({
      mongoUrl: mongo,
      redisUrl: redis.url,
      timing: { epochTrust: 8_000, behind: 8_000 },
      env: { REDIS_DEADLINE: "5s", REDIS_REQUEST_BUDGET: "5s", REDIS_WATCHDOG: "8s" },
    });
    await server.trusting();
  });
  afterAll(async () => {
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  function spent<T>(request: () => Promise<T>): Promise<T> {
    return withBudget(async () => {
      const budget = currentBudget();
      budget?.begin(0);
      budget?.end(1_000_000);
      return request();
    });
  }

  it("still puts its writes into Redis, so that nobody has to doubt the copies", async () => {
    await server.calls.set("s1", sessionOf(day, { n: 1 }));
    await server.calls.get("s1");
    await server.trusting();
    const { epoch } = server.store.stats();
    await spent(async () => {
      expect(await server.calls.get("s1")).toMatchObject({ n: 1 });
      await server.calls.set("s1", sessionOf(day, { n: 2 }));
      await server.calls.touch("s1", sessionOf(day, { n: 2 }));
    });
    expect(server.counts("fallback", "reason")).toEqual({ redis: 1 });
    expect(String(await redis.ask("GET", "session:s1"))).toContain('"n":2');
    await spent(() => server.calls.destroy("s1"));
    expect(await redis.ask("EXISTS", "session:s1")).toBe(0);
    expect(server.store.stats()).toMatchObject({ epoch, epochDue: false });
  });
});
