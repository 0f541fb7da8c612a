#!/usr/bin/env node
import { setPriority } from "node:os";
import { plainLog } from "./cli/desk.ts";
import { runProgram } from "./cli/program.ts";
import { loadConfig } from "./config/load.ts";

const stopping = new AbortController();
// Once: a second Ctrl-C ends the process at once.
process.once("SIGINT", () => stopping.abort()).once("SIGTERM", () => stopping.abort());

const aside = (text: string) => void process.stderr.write(text);

const desk = {
  config: () => loadConfig(process.env),
  environment: () => process.env,
  print: (line: string) => void process.stdout.write(`${line}\n`),
  aside,
  terminal: process.stderr.isTTY === true,
  log: plainLog((line) => aside(`${line}\n`)),
  stepBack: () => setPriority(10),
  processes: {
    environment: process.env,
    onHangup: (listener: () => void) => void process.on("SIGHUP", listener),
  },
  signal: stopping.signal,
};

process.exitCode = await runProgram(process.argv.slice(2), desk);
