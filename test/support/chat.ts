import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./files.ts";
import { until } from "./until.ts";

/** The shipped server as a process of its own, spoken to over HTTP and Socket.IO only. */
export interface Chat {
  url: string;
  process: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Graces and leases at a tenth, cheap passwords, no limits: what most tests want. */
export const quick = {
  NODE_ENV: "test",
  PORT: "0",
  PASSWORD_COST: "4",
  RATE_LIMITS: "off",
  LOG_LEVEL: "warn",
  PRESENCE_GRACE: "400ms",
  PRESENCE_LEASE: "1200ms",
  PRESENCE_BEAT: "400ms",
  ROOM_LIST_INTERVAL: "100ms",
  DRAIN_TIME: "300ms",
};

export interface StartOptions {
  env: Record<string, string>;
  /** How long until it says that it is ready. */
  readyMs?: number;
}

async function ready(child: ChildProcess, output: () => string, timeoutMs: number): Promise<string> {
  const url = () => /sluice is ready at (http:\/\/\S+)/.exec(output())?.[1];
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  await until(() => url() ?? ended(), { timeoutMs, describe: () => `the chat to be ready; it printed:\n${output()}` });
  const found = url();
  if (!found) throw new Error(`the chat ended at once (${child.exitCode ?? child.signalCode}):\n${output()}`);
  return found;
}

export async function startChat({ env, readyMs = 30_000 }: StartOptions): Promise<Chat> {
  const data = mkdtempSync(join(tmpdir(), "sluice-chat-"));
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, ["--enable-source-maps", join(root, "dist/src/main.js")], {
    env: { PATH, HOME, DATA_DIR: data, ...quick, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const collect = (chunk: Buffer) => {
    text += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);

  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      child.kill(signal);
      await exit;
    }
    rmSync(data, { recursive: true, force: true });
    return child.exitCode;
  };
  try {
    const url = await ready(child, () => text, readyMs);
    return {
      url,
      process: child,
      output: () => text,
      stop: () => end("SIGTERM"),
      kill: async () => void (await end("SIGKILL")),
    };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}
