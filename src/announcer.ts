import { pino } from "pino";
import type { Config } from "./config/load.ts";
import { secretPaths } from "./config/redact.ts";
import type { Log } from "./kernel/log.ts";
import { plainLine } from "./ops/index.ts";

export interface Announcer {
  readonly log: Log;
  /** What somebody waits for, whatever LOG_LEVEL is. Details stand below the line; in production all is one line of the log. */
  say(line: string, details?: readonly string[]): void;
}

const print = (text: string) => void process.stdout.write(text);

function sayPlainly(line: string, details: readonly string[] = []): void {
  for (const one of [line, ...details.map((detail) => `  ${detail}`)]) print(`${one}\n`);
}

/** Plain lines for the person in front of it in development; in production nothing but JSON. */
export function createAnnouncer({ NODE_ENV, LOG_LEVEL }: Pick<Config, "NODE_ENV" | "LOG_LEVEL">): Announcer {
  const options = { level: LOG_LEVEL, redact: { paths: secretPaths, censor: "***" } };
  if (NODE_ENV === "development")
    return { log: pino(options, { write: (json: string) => print(plainLine(json)) }), say: sayPlainly };
  const log = pino(options);
  if (NODE_ENV !== "production") return { log, say: sayPlainly };
  const always = log.child({}, { level: "info" });
  return { log, say: (line, details = []) => always.info([line.trim(), ...details].join(" – ")) };
}
