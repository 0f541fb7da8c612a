import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process that its number alone does not tell from a later one. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

function statOf(pid: number): { state: string; started: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

function psOf(pid: number): { state: string; started: string } | undefined {
  const { stdout } = spawnSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { encoding: "utf8" });
  const [, state, started] = /^(\S+)\s+(.+)$/.exec((stdout ?? "").trim()) ?? [];
  return state && started ? { state, started } : undefined;
}

/** Undefined when there is no such process, or only what is left of an ended one. */
export function identify(pid: number): ProcessId | undefined {
  const seen = process.platform === "linux" ? statOf(pid) : psOf(pid);
  return seen && !seen.state.startsWith("Z") ? { pid, started: seen.started } : undefined;
}

export function lives(process: ProcessId): boolean {
  return identify(process.pid)?.started === process.started;
}
