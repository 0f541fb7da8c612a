import { aboutArea, type Finding } from "../kernel/finding.ts";
import type { Config, Environment } from "./load.ts";
import { consoleRefusal } from "./secrets.ts";
import { type VariableName, variables } from "./variables.ts";

const shortest = 32;

function production(config: Config): Finding[] {
  const { findings, advice, wrong } = aboutArea("configuration");
  if (config.TRUST_PROXY === 0)
    wrong(
      "TRUST_PROXY is 0: the session cookie is Secure in production, and no request counts as HTTPS, so nobody gets one.",
      "Put a proxy that ends TLS and sends X-Forwarded-Proto in front, and set TRUST_PROXY=1.",
    );
  for (const name of ["JWT_SECRET", "SESSION_SECRET"] as const)
    if (config[name].split(",").some((one) => one.length < shortest))
      wrong(`${name} is shorter than ${shortest} characters.`, "Make one by: openssl rand -hex 32");
  if (config.JWT_SECRET === config.SESSION_SECRET)
    wrong("JWT_SECRET and SESSION_SECRET are the same.", "Give each a secret of its own.");
  if (!config.RATE_LIMITS) wrong("RATE_LIMITS is off: passwords can be guessed without end.", "Set RATE_LIMITS=on.");
  if (config.METRICS_PUBLIC && !config.METRICS_TOKEN)
    wrong("METRICS_PUBLIC lets everybody read the metrics.", "Set METRICS_TOKEN.");
  if (config.ALLOWED_ORIGINS.length === 0)
    advice(
      "ALLOWED_ORIGINS is empty: only pages that this server serves itself may use it.",
      "Name the origins of the web client, if it is served from elsewhere.",
    );
  if (!/^(__Host|__Secure)-/.test(config.SESSION_COOKIE))
    advice(
      `Any subdomain may set a cookie named ${config.SESSION_COOKIE}.`,
      `SESSION_COOKIE=__Host-${config.SESSION_COOKIE} keeps them from it; everybody logs in once more.`,
    );
  const bare = config.REDIS_URL.startsWith("redis://") && !config.REDIS_TLS;
  if (bare && !/^redis:\/\/[^/]*@/.test(config.REDIS_URL) && !config.REDIS_PASSWORD)
    advice("Redis is asked without a password.", "Give the chat a user of its own: sentinel/users.acl.");
  return findings;
}

const seconds = (ms: number) => `${ms / 1_000} s`;

function waitsForRedis(config: Config): Finding[] {
  const { findings, wrong } = aboutArea("configuration");
  if (config.REDIS_WATCHDOG < config.REDIS_DEADLINE)
    wrong(
      "REDIS_WATCHDOG is shorter than REDIS_DEADLINE: the connection is given up before a command is.",
      "Make REDIS_WATCHDOG at least twice REDIS_DEADLINE.",
    );
  if (config.REDIS_REQUEST_BUDGET < config.REDIS_DEADLINE)
    wrong(
      "REDIS_REQUEST_BUDGET is shorter than REDIS_DEADLINE, which then means nothing.",
      "Make REDIS_REQUEST_BUDGET at least REDIS_DEADLINE.",
    );
  return findings;
}

function timesOfTheChat(config: Config): Finding[] {
  const { findings, advice, wrong } = aboutArea("configuration");
  if (config.REQUEST_TIMEOUT <= config.MONGODB_TIMEOUT)
    wrong(
      `REQUEST_TIMEOUT (${seconds(config.REQUEST_TIMEOUT)}) ends a request before MONGODB_TIMEOUT (${seconds(config.MONGODB_TIMEOUT)}) ends its operation.`,
      "Make REQUEST_TIMEOUT a second longer than MONGODB_TIMEOUT.",
    );
  if (config.DRAIN_TIME + 1_000 > config.SHUTDOWN_TIMEOUT)
    wrong("DRAIN_TIME leaves no time to close what is open.", "Make SHUTDOWN_TIMEOUT at least DRAIN_TIME and 1 s.");
  if (config.PRESENCE_GRACE >= config.PRESENCE_LEASE)
    wrong("PRESENCE_GRACE is as long as PRESENCE_LEASE or longer.", "Make PRESENCE_LEASE three times PRESENCE_GRACE.");
  if (config.JWT_TTL !== config.TTL_SESSIONS * 1_000)
    advice(
      "JWT_TTL and TTL_SESSIONS differ: a token dies before its session, or lives on without one.",
      "Make them equal.",
    );
  return findings;
}

/** They say how to get in, and nothing says where. */
const ofNoPlace = ["REDIS_PORT", "REDIS_DB", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "REDIS_TLS"];

function databases(config: Config, env: Environment): Finding[] {
  const { findings, advice, wrong } = aboutArea("configuration");
  const places = [config.REDIS_CLUSTER.length > 0 && "REDIS_CLUSTER", config.REDIS_SENTINEL && "REDIS_SENTINEL"];
  const named = [...places, config.REDIS_URL && "REDIS_URL", config.REDIS_HOST && "REDIS_HOST"].filter(Boolean);
  if (named.length > 1) advice(`${named.join(", ")} are all set; ${named[0]} counts.`, "Leave one of them.");
  const idle = named.length > 0 ? [] : ofNoPlace.filter((name) => env[name]);
  if (idle.length > 0)
    wrong(
      `${idle.join(", ")} ${idle.length > 1 ? "are" : "is"} set and no Redis is named.`,
      "Set REDIS_HOST or REDIS_URL, or unset what is of no use without.",
    );
  else if (named.length === 0 && config.NODE_ENV === "production")
    advice("No Redis is named: everything is served from MongoDB.", "Set REDIS_URL, REDIS_SENTINEL or REDIS_CLUSTER.");
  if (config.DISABLE_REDIS)
    advice("DISABLE_REDIS is set: this process never uses Redis.", "Unset it; sluice kill on does it for all servers.");
  if (config.MONGODB_URL && !/^[a-z+]+:\/\/[^/]+\/[^?]+/.test(config.MONGODB_URL))
    advice('MONGODB_URL names no database: MongoDB takes "test".', "Put its name behind the host: …:27017/chat");
  return findings;
}

function consoleTokens(config: Config): Finding[] {
  const { findings, advice, wrong } = aboutArea("configuration");
  const { OPS_TOKEN: full, OPS_READ_TOKEN: read, METRICS_TOKEN: metrics } = config;
  const refused = consoleRefusal(config);
  if (refused && full)
    wrong(`The console at /ops is not served: ${refused}.`, "Make each token by: openssl rand -hex 24");
  else if (refused)
    advice(
      `The console at /ops is not served: ${refused}.`,
      "Set OPS_TOKEN to have it (openssl rand -hex 24); the commands do the same without.",
    );
  if (metrics && [full, read].includes(metrics))
    wrong("METRICS_TOKEN is also a token of the console: whoever reads the metrics comes in.", "Give each its own.");
  return findings;
}

function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, n) => n);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** The other name, with its last word cut short. */
const shortens = (short: string, long: string) => long.startsWith(short) && /^[A-Z]+$/.test(long.slice(short.length));

/** Names that nobody reads although somebody seems to have meant one that is. */
function misspelt(env: Environment): Finding[] {
  const { findings, advice, wrong } = aboutArea("configuration");
  const known = Object.entries(variables).flatMap(([name, { secret, aliases = [] }]) =>
    [name, ...aliases].flatMap((one) => (secret ? [one, `${one}_FILE`] : [one])),
  );
  for (const name of Object.keys(env)) {
    if (known.includes(name) || !env[name]) continue;
    if (name.endsWith("_FILE") && known.includes(name.slice(0, -5))) {
      wrong(`${name} is not read: only secrets may be given as files.`, `Set ${name.slice(0, -5)}.`);
      continue;
    }
    const long = name.length > 5 ? known.filter((one) => one.length > 5) : [];
    const meant =
      long.find((one) => distance(name, one) <= 2) ?? long.find((one) => shortens(one, name) || shortens(name, one));
    if (meant) advice(`${name} is not a variable that is read.`, `Was ${meant} meant?`);
  }
  for (const name of known)
    if (env[name] && env[`${name}_FILE`] && variables[name as VariableName]?.secret)
      advice(`${name} and ${name}_FILE are both set; ${name} counts.`, `Unset ${name}, which other programs can see.`);
  return findings;
}

/** What counts wherever sessions or caches are kept in Redis, in the chat server or in an app. */
export function adviceForAll(config: Config, env: Environment): Finding[] {
  return [...waitsForRedis(config), ...databases(config, env), ...misspelt(env)];
}

/** Combinations that are allowed and that somebody who runs the chat server will be sorry for. */
export function adviceOn(config: Config, env: Environment): Finding[] {
  const only = config.NODE_ENV === "production" ? production(config) : [];
  return [...only, ...consoleTokens(config), ...timesOfTheChat(config), ...adviceForAll(config, env)];
}
