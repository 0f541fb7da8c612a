import type { Environment } from "../config/load.ts";
import { variables } from "../config/variables.ts";
import { SluiceError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { isOfRedis, openRedisDoor, type RedisPlace, redisConfigOf } from "./open.ts";
import { topologyOf } from "./topology.ts";
import type { RedisDoor } from "./types.ts";

const places = "REDIS_URL, or REDIS_HOST, REDIS_SENTINEL or REDIS_CLUSTER";
const takes = `a URL such as "redis://127.0.0.1:6379", an environment with ${places} in it, or a door that sluice has opened`;
const namesShown = 5;

/** What was given, in words that tell no secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  const made: unknown = value.constructor;
  const maker = typeof made === "function" && made !== Object ? made.name : "";
  if (maker) return `an object of the class ${maker}`;
  const names = Object.keys(value);
  const more = names.length > namesShown ? ", …" : "";
  return names.length === 0
    ? "an object without a field"
    : `an object of ${names.slice(0, namesShown).join(", ")}${more}`;
}

const refused = (what: string) => new SluiceError("REDIS_PLACE", `redis: got ${what}; it takes ${takes}.`);

const isKnown = (name: string) => isOfRedis(name) && Object.hasOwn(variables, name.replace(/_FILE$/, ""));
/** A process has other variables, too, in capitals; what an app has made up for Redis alone has not. */
const isOfProcess = (name: string) => /^(?!REDIS)[A-Z]/.test(name);

function environmentFrom(place: object): Environment {
  const entries = Object.entries(place);
  if (!entries.some(([name]) => isKnown(name) || isOfProcess(name))) throw refused(kindOf(place));
  const wrong = entries.find(([name, value]) => isKnown(name) && value !== undefined && typeof value !== "string");
  if (wrong) throw refused(`${kindOf(wrong[1])} as ${wrong[0]}, where an environment has text`);
  return place as Environment;
}

function warnOfNone(environment: Environment, log: Log): void {
  const config = redisConfigOf(environment);
  if (config.DISABLE_REDIS || topologyOf(config).kind !== "none") return;
  const strange = Object.keys(environment).filter((name) => name.startsWith("REDIS") && !isKnown(name));
  const but = strange.length > 0 ? ` (${strange.join(", ")}: not read)` : "";
  log.warn({}, `The environment names no Redis${but}: set ${places}; MongoDB answers everything`);
}

/** The door that an app's option `redis` means; `own`: opened here, to be closed by whoever has asked. */
export function doorFor(redis: RedisPlace | RedisDoor | undefined, log: Log): { door: RedisDoor; own: boolean } {
  if (redis === undefined || typeof redis === "string") return { door: openRedisDoor(redis ?? "", log), own: true };
  if (typeof redis !== "object" || redis === null) throw refused(kindOf(redis));
  if ("onRecovery" in redis) return { door: redis as RedisDoor, own: false };
  const environment = environmentFrom(redis);
  warnOfNone(environment, log);
  return { door: openRedisDoor(environment, log), own: true };
}
