import { spawnGuarded } from "./guardian.ts";

export interface Ran {
  /** -1 when it was ended from outside. */
  code: number;
  /** Both outputs together. */
  output: string;
  timedOut: boolean;
}

export interface RunOptions {
  timeoutMs: number;
  /** Called every second until the end; an answer of true starts the time limit anew. */
  watch?: () => Promise<boolean>;
}

/** Runs a helper program to its end or its time limit, silently. */
export async function runGuarded(command: string, args: readonly string[], options: RunOptions): Promise<Ran> {
  const guarded = await spawnGuarded({ command, args, output: "pipe" });
  let timedOut = false;
  const limit = setTimeout(() => {
    timedOut = true;
    void guarded.end();
  }, options.timeoutMs);
  const look = async () => {
    if (!timedOut && (await options.watch?.())) limit.refresh();
  };
  const watching = setInterval(() => void look(), 1_000);
  try {
    const [code, output] = await Promise.all([guarded.exited, guarded.output]);
    return { code, output, timedOut };
  } finally {
    clearInterval(watching);
    clearTimeout(limit);
  }
}
