#!/usr/bin/env node
import { Command } from "commander";
import { type Desk, plainLog } from "./cli/desk.ts";
import { migrateCommand } from "./cli/migrate.ts";
import { loadConfig } from "./config/load.ts";
import { ConfigError, StartError } from "./kernel/errors.ts";

const stopping = new AbortController();
// Once: a second Ctrl-C ends the process at once.
process.once("SIGINT", () => stopping.abort());

const complain = (line: string) => void process.stderr.write(`${line}\n`);

const desk: Desk = {
  config: () => loadConfig(process.env),
  print: (line) => void process.stdout.write(`${line}\n`),
  log: plainLog(complain),
  signal: stopping.signal,
};

const program = new Command("sluice")
  .description("The operator's door to sluice. It reads the same variables as the server.")
  .showHelpAfterError("(--help says what there is)")
  .addCommand(migrateCommand(desk));

program.parseAsync().catch((error: unknown) => {
  const plain = error instanceof ConfigError || error instanceof StartError;
  complain(plain ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
