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

/** Of those that could be read, each alone. */
type Readable = { -readonly [N in keyof Config]?: Config[N] };

/** Who goes by the configuration: a server, or a command beside servers, which signs nothing. */
export type Reader = "server" | "command";

function together(values: Readable, reader: Reader): string[] {
  const { NODE_ENV, PASSWORD_COST: cost, SESSION_COOKIE: cookie } = values;
  const errors: string[] = [];
  if (cost !== undefined && cost < 10 && NODE_ENV !== "test")
    errors.push(`PASSWORD_COST: got "${cost}"; it takes 10 to 15 unless NODE_ENV=test.`);
  if (cookie !== undefined && !/^[\w!#$%&'*.^`|~+-]+$/.test(cookie))
    errors.push(`SESSION_COOKIE: got "${cookie}"; it takes letters, digits, - and _.`);
  if (NODE_ENV !== "production" || reader === "command") return errors;
  for (const name of ["JWT_SECRET", "SESSION_SECRET", "MONGODB_URL"] as const)
    if (values[name] === "") errors.push(`${name}: not set; it is required when NODE_ENV=production.`);
  return errors;
}

/** A browser takes a cookie of such a name only when it is Secure, which it is in production alone. */
const usableCookie = ({ NODE_ENV, SESSION_COOKIE }: Readable): string | undefined =>
  NODE_ENV === "production" ? SESSION_COOKIE : SESSION_COOKIE?.replace(/^__(Host|Secure)-/, "");

export interface ConfigReading {
  /** Absent when anything is wrong. */
  readonly config?: Config;
  /** Each of one line that names the variable. */
  readonly errors: readonly string[];
  readonly given: ReadonlyMap<VariableName, Given>;
}

/** Everything that the environment says, and everything that is wrong with it. */
export function readConfig(env: Environment, reader: Reader = "server"): ConfigReading {
  const errors: string[] = [];
  const given = new Map<VariableName, Given>();
  const read: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(variables)) {
    try {
      const found = written(name, variable, env);
      if (found) given.set(name as VariableName, found);
      read[name] = parse(name, variable, found);
    } catch (error) {
      errors.push(messageOf(error));
    }
  }
  const cookie = usableCookie(read);
  const values: Readable = { ...read, ...(cookie !== undefined && { SESSION_COOKIE: cookie }) };
  errors.push(...together(values, reader));
  return errors.length > 0 ? { errors, given } : { config: Object.freeze(values as Config), errors, given };
}

/** The environment as one frozen, typed object; bad values are a `ConfigError` with a line for each that names the variable. */
export function loadConfig(env: Environment, reader: Reader = "server"): Config {
  const { config, errors } = readConfig(env, reader);
  if (!config) throw new ConfigError(errors.join("\n"));
  return config;
}
