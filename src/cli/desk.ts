import { InvalidArgumentError } from "commander";
import type { Kind } from "../config/kinds.ts";
import { type Config, type Environment, loadConfig } from "../config/load.ts";
import { StartError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";

/** What every command of the operator is given. */
export interface Desk {
  /** Read when a command runs, so that help needs no configuration. */
  environment(): Environment;
  /** One line of the answer. */
  print(line: string): void;
  /** Beside the answer, as it is. */
  aside(text: string): void;
  /** Whether a person sees what is written beside the answer, so that it may be written over. */
  readonly terminal: boolean;
  log: Log;
  /** Lets everybody else on this machine have the processor first: servers answer people, tools do not. */
  stepBack?(): void;
  /** For a command that starts servers; absent where none may be started. */
  processes?: {
    readonly environment: Record<string, string | undefined>;
    onHangup(listener: () => void): void;
  };
  /** The operator has pressed Ctrl-C, or the command is asked to end. */
  signal: AbortSignal;
  /** The command has answered, and the answer is not good; 2: it could not find out. */
  fail(code?: 1 | 2): void;
}

/** What a command goes by, which needs less than a server. */
export const configOf = (desk: Desk): Config => loadConfig(desk.environment(), "command");

/** Commands work on a database that is configured; the embedded one belongs to the server that started it. */
export function mongoUrlOf(config: Config): string {
  if (config.MONGODB_URL) return config.MONGODB_URL;
  throw new StartError("MONGODB_URL is not set. Set it to the database to work on; `npm start` looks after its own.");
}

/** For people at a terminal: warnings and errors on the other stream, as plain lines. The sentence says all but lists. */
export function plainLog(write: (line: string) => void): Log {
  function spoken(fields: object): string {
    const lists = Object.entries(fields).filter(([, value]) => Array.isArray(value));
    return lists.map(([name, values]) => `; ${name}: ${values.join(", ")}`).join("");
  }
  return {
    debug() {},
    info: (_, message) => write(message),
    warn: (fields, message) => write(`Warning: ${message}${spoken(fields)}`),
    error: (fields, message) => write(`Error: ${message}${spoken(fields)}`),
  };
}

/** Columns as wide as their widest cell. */
export function table(rows: string[][]): string[] {
  const widths = rows.reduce<number[]>((wide, row) => row.map((cell, i) => Math.max(cell.length, wide[i] ?? 0)), []);
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** The answer for a program, or in lines for a person. */
export function answer(desk: Desk, json: boolean | undefined, value: object, lines: string[]): void {
  if (json) desk.print(JSON.stringify(value));
  else for (const line of lines) desk.print(line);
}

/** Reads an argument as the variables of the environment are read. */
export function as<T>(kind: Kind<T>): (text: string) => T {
  return (text) => {
    const read = kind.schema.safeParse(text);
    if (read.success) return read.data;
    throw new InvalidArgumentError(`It takes ${kind.takes}.`);
  };
}
