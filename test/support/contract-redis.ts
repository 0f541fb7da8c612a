import { setTimeout as pause } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { rulesOfTheChat } from "./deployment.ts";
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

/** A server of the test file's own, where the chat has the rights of a deployment, and what makes it ask at every turn. */
export function contractRedis({ frozen = false, dying = false } = {}) {
  let server: RedisServer | undefined;
  let ending = false;
  let deaths: Promise<void> | undefined;
  afterAll(async () => {
    ending = true;
    await deaths;
    await server?.close();
  });

  /** Gone and back again and again, with what it held or with nothing. */
  async function die(redis: RedisServer): Promise<void> {
    for (let keepData = false; !ending; keepData = !keepData) {
      await pause(1_000);
      if (!ending) await redis.restart({ keepData });
    }
  }

  return {
    async env(): Promise<Record<string, string>> {
      if (!server) {
        server = await startRedisServer();
        await server.ask("ACL", "SETUSER", "sluice", "on", ">contract", ...rulesOfTheChat());
      }
      if (frozen) server.freeze();
      if (dying) deaths ??= die(server);
      return { REDIS_URL: server.url.replace("//", "//sluice:contract@"), ...redisInEveryRequest };
    },
    /** To be called after the contract: whether Redis answered all along. */
    usedThroughout(calls: number): void {
      it("Redis was asked all along", async () => {
        const stats = String(await server?.ask("INFO", "commandstats"));
        const counted = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].map(([, times]) => Number(times));
        expect(counted.reduce((sum, times) => sum + times, 0)).toBeGreaterThan(calls);
        expect(await server?.ask("ACL", "LOG")).toEqual([]);
      });
    },
  };
}
