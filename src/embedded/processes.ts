import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** A process that its number alone does not tell from a later one. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

interface Seen {
  state: string;
  started: string;
}

function seenInProc(pid: number): Seen | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold blanks and brackets itself; the fields after it do not.
    const [state = "", ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state, started: rest[18] ?? "" };
  } catch {
    return undefined;
  }
}

function seenByPs(pid: number): Seen | undefined {
  const { stdout } = spawnSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { encoding: "utf8" });
  const [, state, started] = /^(\S+)\s+(.+)$/.exec((stdout ?? "").trim()) ?? [];
  return state && started ? { state, started } : undefined;
}

/** Undefined when there is no such process, or only what is left of an ended one. */
export function identify(pid: number): ProcessId | undefined {
  const seen = process.platform === "linux" ? seenInProc(pid) : seenByPs(pid);
  return seen && !seen.state.startsWith("Z") ? { pid, started: seen.started } : undefined;
}

export function lives(known: ProcessId): boolean {
  return identify(known.pid)?.started === known.started;
}

function kill(known: ProcessId): void {
  try {
    process.kill(known.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Waits until all of them have ended, and ends those that have not after `waitMs`. */
export async function outlive(processes: readonly ProcessId[], waitMs: number): Promise<void> {
  const deadline = Date.now() + waitMs;
  while (processes.some(lives) && Date.now() < deadline) await pause(50);
  for (const process of processes.filter(lives)) kill(process);
  while (processes.some(lives)) await pause(50);
}
