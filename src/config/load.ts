import { readFileSync } from "node:fs";
import { ConfigError, messageOf } from "../kernel/errors.ts";
import { type Values, type Variable, variables } from "./variables.ts";

export type Environment = Record<string, string | undefined>;
export type Config = Values;

function written(
  name: string,
  variable: Variable<unknown>,
  env: Environment,
): { from: string; text: string } | undefined {
  for (const from of [name, ...(variable.aliases ?? [])]) {
    const text = env[from];
    if (text !== undefined && text !== "") return { from, text };
    const file = variable.secret ? env[`${from}_FILE`] : undefined;
    if (!file) continue;
    try {
      return { from: `${from}_FILE`, text: readFileSync(file, "utf8").trim() };
    } catch (error) {
      throw new ConfigError(`${from}_FILE: cannot read "${file}" (${messageOf(error)}); it takes a readable file.`);
    }
  }
  return undefined;
}

function parse(name: string, variable: Variable<unknown>, env: Environment): unknown {
  const given = written(name, variable, env);
  const result = variable.kind.schema.safeParse(given?.text ?? variable.default);
  if (result.success) return result.data;
  const got = variable.secret ? "a value it cannot use" : `"${given?.text}"`;
  throw new ConfigError(`${given?.from ?? name}: got ${got}; it takes ${variable.kind.takes}.`);
}

function check(config: Config): void {
  if (config.PASSWORD_COST < 10 && config.NODE_ENV !== "test")
    throw new ConfigError(`PASSWORD_COST: got "${config.PASSWORD_COST}"; it takes 10 to 15 unless NODE_ENV=test.`);
  if (config.NODE_ENV !== "production") return;
  for (const name of ["JWT_SECRET", "SESSION_SECRET", "MONGODB_URL"] as const)
    if (!config[name]) throw new ConfigError(`${name}: not set; it is required when NODE_ENV=production.`);
}

/** The environment as one frozen, typed object; a bad value is a `ConfigError` of one line that names the variable. */
export function loadConfig(env: Environment): Config {
  const entries = Object.entries(variables).map(([name, variable]) => [name, parse(name, variable, env)]);
  const config = Object.freeze(Object.fromEntries(entries)) as Config;
  check(config);
  return config;
}
