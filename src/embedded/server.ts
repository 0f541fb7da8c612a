import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { StartError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { type Guarded, spawnGuarded } from "./guardian.ts";
import { lastWords } from "./last-words.ts";
import { takeLock } from "./lock.ts";
import { choosePort, rememberPort } from "./ports.ts";

const PORT_TAKEN = /address already in use|failed to set up listener|could not create server tcp listening socket/i;

export interface ServerSpec {
  /** As a person calls it, such as "MongoDB". */
  name: string;
  /** Everything of this database is below it: data, lock, port, log. */
  dir: string;
  program: string;
  args(port: number, dataDir: string): string[];
  /** Runs before the program, when the folder is ours. */
  prepare?: () => Promise<void>;
  /** Resolves once the process `pid` serves on the port, and not another that was there first; gives up when `signal` aborts. */
  ready(serving: Serving, signal: AbortSignal): Promise<void>;
  startTimeoutMs: number;
  log: Log;
}

export interface Serving {
  port: number;
  pid: number;
}

export interface RunningServer {
  port: number;
  close(): Promise<void>;
}

/** Why a start failed: what the program said last is kept for the message. */
class ExitedEarly extends StartError {
  readonly output: string;
  constructor(message: string, output: string) {
    super(message);
    this.output = output;
  }
}

async function launch(spec: ServerSpec, port: number, record: (pids: number[]) => void): Promise<Guarded> {
  const logFile = join(spec.dir, "output.log");
  const output = await open(logFile, "w");
  const guarded = await spawnGuarded({
    command: spec.program,
    args: spec.args(port, join(spec.dir, "data")),
    output: output.fd,
  }).finally(() => output.close());
  record([guarded.guardianPid]);
  const pid = await guarded.programPid;
  if (pid) record([guarded.guardianPid, pid]);

  const stop = new AbortController();
  const late = setTimeout(() => {
    const words = `did not serve within ${spec.startTimeoutMs / 1000} s; what it wrote is in ${logFile}`;
    stop.abort(new StartError(`${spec.name} (${spec.program}) ${words}.`));
  }, spec.startTimeoutMs);
  void guarded.exited.then(async (code) => {
    const words = await lastWords(logFile);
    stop.abort(new ExitedEarly(`${spec.name} (${spec.program}) ended at its start with code ${code}: ${words}`, words));
  });
  try {
    await Promise.race([spec.ready({ port, pid: pid ?? -1 }, stop.signal), aborted(stop.signal)]);
    return guarded;
  } catch (error) {
    await guarded.end();
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    clearTimeout(late);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** Runs a database program on its data, on loopback, until `close` or until this process ends. */
export async function runServer(spec: ServerSpec): Promise<RunningServer> {
  await mkdir(join(spec.dir, "data"), { recursive: true, mode: 0o700 });
  const lock = await takeLock(spec.dir, `The embedded ${spec.name}`);
  const portFile = join(spec.dir, "port");
  try {
    await spec.prepare?.();
    for (let attempt = 1; ; attempt++) {
      const port = await choosePort(portFile);
      try {
        const guarded = await launch(spec, port, lock.record);
        await rememberPort(portFile, port);
        return { port, close: closer(spec, port, guarded, lock.release) };
      } catch (error) {
        // Somebody else may take the port between our look at it and the program's.
        if (attempt === 3 || !(error instanceof ExitedEarly && PORT_TAKEN.test(error.output))) throw error;
      }
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** As a shell takes it. */
const quoted = (word: string) => (/^[\w/.:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function closer(spec: ServerSpec, port: number, guarded: Guarded, release: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  void guarded.exited.then((code) => {
    if (closing) return;
    const line = [spec.program, ...spec.args(port, join(spec.dir, "data"))].map(quoted).join(" ");
    spec.log.error({ code, dir: spec.dir }, `The embedded ${spec.name} ended by itself. This starts it again: ${line}`);
  });
  return () => {
    closing ??= guarded.end().then(release);
    return closing;
  };
}

/** Asks again every 20 ms until the answer is there. */
export async function poll<T>(signal: AbortSignal, question: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    const answer = await question();
    if (answer !== undefined) return answer;
    await pause(20, undefined, { signal });
  }
}
