import { type Environment, loadConfig } from "../config/load.ts";
import type { Log } from "../kernel/log.ts";
import { createRedisDoor } from "./door.ts";
import type { RedisDoor } from "./types.ts";

/** A URL, or the variables `REDIS_…` and `DISABLE_REDIS` of an environment, whose other variables do not matter. */
export type RedisPlace = string | Environment;

/** A door of one's own, opened: for whoever uses a part of the product in another app. Without a URL it stays shut. */
export function openRedisDoor(place: RedisPlace, log: Log): RedisDoor {
  const given = typeof place === "string" ? { REDIS_URL: place } : place;
  const ours = Object.entries(given).filter(([name]) => name.startsWith("REDIS_") || name === "DISABLE_REDIS");
  const door = createRedisDoor({ config: loadConfig(Object.fromEntries(ours)), log });
  door.start();
  return door;
}
