import { adviceOn } from "./config/advice.ts";
import type { Config, Environment } from "./config/load.ts";
import { veiled } from "./config/redact.ts";
import { consoleRefusal } from "./config/secrets.ts";
import { topologyOf, whereIs } from "./redis/topology.ts";

function mongoPlace(url: string): string {
  const [hosts, name] = veiled(url)
    .replace(/^[^/]*:\/\/(\*\*\*@)?/, "")
    .split("/");
  if (hosts === "***") return hosts;
  // The driver's own choice where a URL names none.
  return `${hosts}/${name || "test"}`;
}

function redisPlace(config: Config): string {
  if (config.DISABLE_REDIS) return "no Redis (DISABLE_REDIS is set)";
  const topology = topologyOf(config);
  if (topology.kind === "none") return "no Redis";
  const place = whereIs(topology);
  return `Redis at ${topology.kind === "single" ? `${place}/${topology.access.database}` : place}`;
}

/** Which databases serve, without a user or a password. */
export const databasesLine = (config: Config): string =>
  `MongoDB at ${mongoPlace(config.MONGODB_URL)}, ${redisPlace(config)}`;

/** Settings that lock people out or let strangers in, each with what to do; why there is no console is told where it would be. */
export function wrongSettings(config: Config, env: Environment): string[] {
  const told = consoleRefusal(config);
  return adviceOn(config, env)
    .filter(({ level, says }) => level === "wrong" && !(told && says.includes(told)))
    .map(({ says, todo }) => `${says} ${todo}`);
}
