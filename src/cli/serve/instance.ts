import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { StartError } from "../../kernel/errors.ts";
import type { Target } from "./balancer.ts";

/** One server as a process of its own. */
export interface Instance extends Target {
  /** Takes no newcomers any more, sends its sockets away and ends; killed when it does not. */
  stop(): Promise<void>;
  readonly exited: Promise<unknown>;
}

interface Options {
  name: string;
  environment: Record<string, string | undefined>;
  /** One line of what it prints. */
  print: (line: string) => void;
  /** It is not wanted any more, although it may not be ready yet. */
  signal: AbortSignal;
}

const readyMs = 60_000;
/** Longer than a server may take to close. */
const stopMs = 11_000;
const program = join(import.meta.dirname, "..", "..", `main${extname(import.meta.filename)}`);

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function startInstance({ name, environment, print, signal }: Options): Promise<Instance> {
  // In a group of its own: Ctrl-C at the terminal is for whoever sends the sockets away in order. It ends with the channel.
  const child = spawn(process.execPath, [...process.execArgv, program], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  const exited = once(child, "exit");
  let port = 0;
  let open = false;

  async function stop(): Promise<void> {
    open = false;
    if (ended(child)) return;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), stopMs);
    await exited;
    clearTimeout(late);
  }

  const ready = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new StartError(`${name} was not ready within ${readyMs / 1_000} s`)), readyMs);
    const settle = (act: () => void) => {
      clearTimeout(late);
      act();
    };
    child.once("error", (error) => settle(() => reject(error)));
    child.once("exit", (code, signal) => {
      open = false;
      settle(() => reject(new StartError(`${name} ended before it was ready (${code ?? signal})`)));
    });
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      port ||= Number(/ is ready at http:\/\/\S+:(\d+)/.exec(line)?.[1] ?? 0);
      if (port) settle(resolve);
      if (!/^ {2}|is (starting|ready)|^Stopping/.test(line)) print(`${name}: ${line}`);
    });
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => print(`${name}: ${line}`));
  });
  const unwanted = () => void stop();
  signal.addEventListener("abort", unwanted);
  try {
    signal.throwIfAborted();
    await ready;
    signal.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal.removeEventListener("abort", unwanted);
  }
  open = true;
  return {
    name,
    get port() {
      return port;
    },
    get open() {
      return open;
    },
    stop,
    exited,
  };
}
