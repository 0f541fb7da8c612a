import { readFileSync } from "node:fs";
import { constants } from "node:os";

/** The processes that this one has started, and theirs; none where Linux does not tell. */
function startedBy(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number).filter(Boolean);
    return children.flatMap((child) => [child, ...startedBy(child)]);
  } catch {
    return [];
  }
}

/** Who is told to end in the middle leaves none of the servers that it has started. */
export function takeAlong(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      for (const pid of startedBy(process.pid))
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has just ended by itself.
        }
      process.exit(128 + constants.signals[signal]);
    });
}
