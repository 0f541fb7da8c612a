import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { end } from "../../drills/support/child.ts";
import { until } from "../../test/support/until.ts";
import { allOrNothing } from "./ends.ts";

function answerOf(process: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const died = () => reject(new Error("a process of the bench ended before its answer"));
    process.once("exit", died);
    process.once("message", (message) => {
      process.off("exit", died);
      resolve(message);
    });
  });
}

/** A program of the benches, named from here, in a process of its own: it answers each order. */
export function startChild(name: string, nodeArgs: string[] = []) {
  const child = fork(join(import.meta.dirname, `${name}.js`), {
    execArgv: [...process.execArgv, ...nodeArgs],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // As it would be deployed: Express and others are slower when they are not told that.
    env: { ...process.env, NODE_ENV: "production" },
  });
  return {
    pid: child.pid ?? 0,
    ask(order: object): Promise<unknown> {
      child.send(order);
      return answerOf(child);
    },
    close: () => end(child, "SIGKILL"),
  };
}

/** A server of another kind, told what it needs. */
export async function startPeer(name: string, order: object, nodeArgs: string[] = []) {
  return allOrNothing(async (ends) => {
    const { pid, ask, close } = ends.add(startChild(name, nodeArgs));
    const { port } = (await ask(order)) as { port: number };
    return { port, pid, close };
  });
}

// From dist/measured/bench/stage.
const packageRoot = resolve(import.meta.dirname, "../../../..");

export interface Server {
  url: string;
  port: number;
  pid: number;
  close(): Promise<void>;
}

interface Program {
  /** Where it lies; by default the one that was just built. */
  root?: string | undefined;
  nodeArgs?: string[];
}

/** The shipped program, with nothing set but what is given. */
export async function startServer(env: Record<string, string>, how: Program = {}): Promise<Server> {
  const { root = packageRoot, nodeArgs = [] } = how;
  const { PATH = "", HOME = "", NODE_OPTIONS = "" } = process.env;
  const program = [...nodeArgs, "--enable-source-maps", join(root, "dist/src/main.js")];
  const child = spawn(process.execPath, program, {
    env: { PATH, HOME, NODE_OPTIONS, PORT: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  return allOrNothing(async (ends) => {
    ends.add({ close: () => end(child, "SIGKILL") });
    const url = await until(() => /sluice is ready at (http:\/\/\S+)/.exec(said)?.[1] ?? child.exitCode !== null, {
      timeoutMs: 60_000,
      describe: () => said,
    });
    if (typeof url !== "string") throw new Error(`the server ended at once: ${said}`);
    return { url, port: Number(new URL(url).port), pid: child.pid ?? 0, close: () => end(child) };
  });
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"]).toString());

/** Seconds that a process has used of a processor. */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
