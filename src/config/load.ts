import { readFileSync } from "node:fs";
import { ConfigError, messageOf } from "../kernel/errors.ts";
import { type Values, type Variable, type VariableName, variables } from "./variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Config = Values;

/** What the environment says of a variable, and by which name. */
export interface Given {
  readonly from: string;
  readonly text: string;
}

function contentOf(name: string, file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new ConfigError(`${name}: cannot read "${file}" (${messageOf(error)}); it takes a readable file.`);
  }
  if (text === "") throw new ConfigError(`${name}: "${file}" is empty; it takes a file with the value in it.`);
  return text;
}

function written(name: string, variable: Variable<unknown>, env: Environment): Given | undefined {
  for (const from of [name, ...(variable.aliases ?? [])]) {
    const text = env[from];
    if (text !== undefined && text !== "") return { from, text };
    const file = variable.secret ? env[`${from}_FILE`] : undefined;
    if (file) return { from: `${from}_FILE`, text: contentOf(`${from}_FILE`, file) };
  }
  return undefined;
}

function parse(name: string, variable: Variable<unknown>, given: Given | undefined): unknown {
  const result = variable.kind.schema.safeParse(given?.text ?? variable.default);
  if (result.success) return result.data;
  const got = variable.secret ? "a value it cannot use" : `"${given?.text}"`;
  throw new ConfigError(`${given?.from ?? name}: got ${got}; it takes ${variable.kind.takes}.`);
}

function together(config: Config): string[] {
  const errors: string[] = [];
  if (config.PASSWORD_COST < 10 && config.NODE_ENV !== "test")
    errors.push(`PASSWORD_COST: got "${config.PASSWORD_COST}"; it takes 10 to 15 unless NODE_ENV=test.`);
  if (!/^[\w!#$%&'*.^`|~+-]+$/.test(config.SESSION_COOKIE))
    errors.push(`SESSION_COOKIE: got "${config.SESSION_COOKIE}"; it takes letters, digits, - and _.`);
  if (config.NODE_ENV !== "production") return errors;
  for (const name of ["JWT_SECRET", "SESSION_SECRET", "MONGODB_URL"] as const)
    if (!config[name]) errors.push(`${name}: not set; it is required when NODE_ENV=production.`);
  return errors;
}

/** A browser takes a cookie of such a name only when it is Secure, which it is in production alone. */
function withUsableCookie(config: Config): Config {
  if (config.NODE_ENV === "production") return config;
  return { ...config, SESSION_COOKIE: config.SESSION_COOKIE.replace(/^__(Host|Secure)-/, "") };
}

export interface ConfigReading {
  /** Absent when anything is wrong. */
  readonly config?: Config;
  /** Each of one line that names the variable. */
  readonly errors: readonly string[];
  readonly given: ReadonlyMap<VariableName, Given>;
}

/** Everything that the environment says, and everything that is wrong with it. */
export function readConfig(env: Environment): ConfigReading {
  const errors: string[] = [];
  const given = new Map<VariableName, Given>();
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(variables)) {
    try {
      const found = written(name, variable, env);
      if (found) given.set(name as VariableName, found);
      values[name] = parse(name, variable, found);
    } catch (error) {
      errors.push(messageOf(error));
    }
  }
  if (errors.length > 0) return { errors, given };
  const config = withUsableCookie(values as Config);
  const wrong = together(config);
  return wrong.length > 0 ? { errors: wrong, given } : { config: Object.freeze(config), errors: [], given };
}

/** The environment as one frozen, typed object; a bad value is a `ConfigError` of one line that names the variable. */
export function loadConfig(env: Environment): Config {
  const { config, errors } = readConfig(env);
  if (!config) throw new ConfigError(errors[0] ?? "The configuration cannot be used.");
  return config;
}
