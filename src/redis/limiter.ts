import { createHash } from "node:crypto";
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import type { Limit } from "../config/kinds.ts";
import type { Allowance, Limiter } from "../kernel/limiter.ts";
import { limiterClient } from "./facades/limiter.ts";
import type { RedisDoor } from "./types.ts";

export interface LimiterOptions {
  name: string;
  limit: Limit;
  /** None: each process counts for itself. */
  door: RedisDoor | undefined;
}

/** No address and no name of a user stands in Redis. */
const shorten = (key: string) => createHash("sha256").update(key).digest("base64url").slice(0, 22);

/** A limit's result comes as an answer when within, and as a rejection when beyond. */
async function outcome(counting: Promise<RateLimiterRes | null>): Promise<RateLimiterRes | null> {
  try {
    return await counting;
  } catch (error) {
    if (error instanceof RateLimiterRes) return error;
    throw error;
  }
}

/**
 * Counts in Redis, shared by all instances. Each process also counts its own part in memory and goes by that while Redis
 * is out: whoever was beyond the limit stays there, and no attempt is counted twice on either side.
 */
export function createLimiter({ name, limit, door }: LimiterOptions): Limiter {
  const { points, seconds: duration } = limit;
  const own = new RateLimiterMemory({ points, duration, keyPrefix: name });
  const shared =
    door &&
    new RateLimiterRedis({
      points,
      duration,
      keyPrefix: `cache:limit:${name}`,
      storeClient: limiterClient(door),
      useRedisPackage: true,
    });

  function allowance(result: RateLimiterRes | null): Allowance {
    const consumed = result?.consumedPoints ?? 0;
    const remaining = Math.max(0, points - consumed);
    const resetSeconds = Math.max(0, result?.msBeforeNext ?? 0) / 1000;
    return { allowed: consumed <= points, limit: points, remaining, resetSeconds, windowSeconds: duration };
  }

  /** What all instances counted, or what this one did when nobody can tell. */
  async function ask(
    ours: Promise<RateLimiterRes | null>,
    everybodys: Promise<RateLimiterRes | null> | undefined,
  ): Promise<Allowance> {
    const [mine, all] = await Promise.allSettled([outcome(ours), everybodys ? outcome(everybodys) : undefined]);
    const fallback = mine.status === "fulfilled" ? mine.value : null;
    return allowance(all.status === "fulfilled" && all.value !== undefined ? all.value : fallback);
  }

  return {
    consume(key, count = 1) {
      const short = shorten(key);
      return ask(own.consume(short, count), shared?.consume(short, count));
    },
    async peek(key) {
      const short = shorten(key);
      const standing = await ask(own.get(short), shared?.get(short));
      return { ...standing, allowed: standing.remaining > 0 };
    },
    async forget(key) {
      const short = shorten(key);
      await Promise.allSettled([own.delete(short), shared?.delete(short)]);
    },
  };
}
