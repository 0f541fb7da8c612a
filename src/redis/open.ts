import { type Config, type Environment, loadConfig } from "../config/load.ts";
import type { Log } from "../kernel/log.ts";
import { createRedisDoor } from "./door.ts";
import type { RedisDoor } from "./types.ts";

/** A URL, or the variables `REDIS_…` and `DISABLE_REDIS` of an environment, whose other variables do not matter. */
export type RedisPlace = string | Environment;

export const isOfRedis = (name: string): boolean => name.startsWith("REDIS_") || name === "DISABLE_REDIS";

export function redisConfigOf(place: RedisPlace): Config {
  const given = typeof place === "string" ? { REDIS_URL: place } : place;
  return loadConfig(Object.fromEntries(Object.entries(given).filter(([name]) => isOfRedis(name))));
}

/** A door of one's own, opened: for whoever uses a part of the product in another app. Without a URL it stays shut. */
export function openRedisDoor(place: RedisPlace, log: Log): RedisDoor {
  const door = createRedisDoor({ config: redisConfigOf(place), log });
  door.start();
  return door;
}
