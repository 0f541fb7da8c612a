import { afterAll, expect, it } from "vitest";
import { type RedisServer, startRedisServer } from "./redis-server.ts";

const huge = "1000000/1h";

/** Makes each request and each event of a chat ask Redis: for the limits, which none of them reaches, and for the session. */
export const redisInEveryRequest = {
  RATE_LIMITS: "on",
  RATE_LIMIT_REGISTER: huge,
  RATE_LIMIT_LOGIN: huge,
  RATE_LIMIT_LOGIN_FAILURES: huge,
  RATE_LIMIT_API: huge,
  RATE_LIMIT_EVENTS: huge,
  SESSION_REDIS_PERCENT: "100",
  SESSION_STEP_DOWN: "off",
};

/** A server of the test file's own, and what makes a chat ask it at every turn; to be called where the file begins. */
export function contractRedis({ frozen = false } = {}) {
  let server: RedisServer | undefined;
  afterAll(() => server?.close());
  return {
    async env(): Promise<Record<string, string>> {
      server ??= await startRedisServer();
      if (frozen) server.freeze();
      return { REDIS_URL: server.url, ...redisInEveryRequest };
    },
    /** To be called after the contract: whether Redis answered all along. */
    usedThroughout(calls: number): void {
      it("Redis was asked all along", async () => {
        const stats = String(await server?.ask("INFO", "commandstats"));
        const counted = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].map(([, times]) => Number(times));
        expect(counted.reduce((sum, times) => sum + times, 0)).toBeGreaterThan(calls);
      });
    },
  };
}
