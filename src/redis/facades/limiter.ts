import { UnavailableError } from "../../kernel/errors.ts";
import type { Answer, Commands, RedisDoor, Script } from "../types.ts";

type Step = (redis: Commands) => Promise<unknown>;

interface Pipeline {
  set(key: string, points: number, options?: { EX: number }): Pipeline;
  get(key: string): Pipeline;
  pTTL(key: string): Pipeline;
  exec(asPipeline: true): Promise<unknown[]>;
}

/** What `RateLimiterRedis` of rate-limiter-flexible uses of a node-redis client (with `useRedisPackage: true`). */
export interface LimiterClient {
  eval(lua: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  multi(): Pipeline;
  del(key: string): Promise<number>;
}

function unwrap<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new UnavailableError(`Redis did not count (${answer.reason})`, { cause: answer.error });
}

/** Passes the limiter's commands through the door; rejects when Redis gave no answer, so that the insurance counts. */
export function limiterClient(door: RedisDoor): LimiterClient {
  const scripts = new Map<string, Script>();

  function scriptOf(lua: string, keys: number): Script {
    const known = scripts.get(lua) ?? { name: "limit.count", keys, lua };
    scripts.set(lua, known);
    return known;
  }

  function pipeline(): Pipeline {
    const steps: Step[] = [];
    const add = (step: Step) => {
      steps.push(step);
      return own;
    };
    const own: Pipeline = {
      set: (key, points, options) => add((redis) => redis.set(key, points, options)),
      get: (key) => add((redis) => redis.get(key)),
      pTTL: (key) => add((redis) => redis.pTTL(key)),
      exec: async () => unwrap(await door.call("limit.look", (redis) => Promise.all(steps.map((step) => step(redis))))),
    };
    return own;
  }

  return {
    eval: async (lua, { keys, arguments: args }) => unwrap(await door.script(scriptOf(lua, keys.length), keys, args)),
    multi: pipeline,
    del: async (key) => unwrap(await door.call("limit.forget", (redis) => redis.del(key))),
  };
}
