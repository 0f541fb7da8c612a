#!/usr/bin/env node
import { setPriority } from "node:os";
import { plainLog } from "./cli/desk.ts";
import { runProgram } from "./cli/program.ts";

const stopping = new AbortController();
// Once: a second Ctrl-C ends the process at once.
process.once("SIGINT", () => stopping.abort()).once("SIGTERM", () => stopping.abort());

/** Nobody reads on, as behind a `| head`: what is begun ends in order, without a word. */
function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  stopping.abort();
}
process.stdout.on("error", onStreamError);
process.stderr.on("error", onStreamError);

const aside = (text: string) => void process.stderr.write(text);

const desk = {
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
