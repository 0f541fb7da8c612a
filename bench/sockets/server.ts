import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** A server in a process of its own, measured from outside; Node lets it open as many files as the system allows. */
export interface Measured {
  readonly url: string;
  /** Seconds of processor time since its start. */
  cpu(): number;
  megabytes(): number;
  stop(): Promise<void>;
}

const ticksPerSecond = 100;

async function addressOf(child: ChildProcess): Promise<string> {
  let text = "";
  const found = new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      text += chunk.toString();
      const url = /ready at (http:\S+)/.exec(text)?.[1];
      if (url) resolve(url);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("exit", () => reject(new Error(`the server ended at once:\n${text}`)));
  });
  return found;
}

export async function measuredServer(script: string, env: Record<string, string>): Promise<Measured> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [script], { env: { PATH, HOME, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const url = (await addressOf(child)).replace("localhost", "127.0.0.1");
  return {
    url,
    cpu() {
      const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    },
    megabytes() {
      const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
      return Number(kilobytes ?? 0) / 1024;
    },
    async stop() {
      const exit = once(child, "exit");
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await exit;
    },
  };
}
