import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

// Longer than the guardian gives a program to end by itself.
const END_MS = 4_500;

// Node itself cannot outlive its own kill -9, so a shell in a session of its own watches a pipe that closes with us.
const SCRIPT = `
exec 9<&0
"$@" </dev/null 3>&- 9<&- &
program=$!
echo "$program" >&3
exec 3>&-
(
  while read -r _; do :; done <&9
  kill -TERM "$program"
  tries=0
  while kill -0 "$program" && [ $tries -lt 30 ]; do sleep 0.1 || sleep 1; tries=$((tries + 1)); done
  kill -KILL "$program"
) >/dev/null 2>&1 &
watch=$!
exec 9<&-
wait "$program"
code=$?
kill "$watch"
exit "$code"
`;

/** Whether this system has the shell that the guardian is written for. */
export const canGuard = process.platform !== "win32";

export interface GuardedOptions {
  command: string;
  args: readonly string[];
  /** Where both outputs of the program go: an open file, or `output`. */
  output: number | "pipe";
}

/** A program that ends when we end, however we end. */
export interface Guarded {
  readonly guardianPid: number;
  readonly programPid: Promise<number | undefined>;
  /** The exit code, or -1 when the guardian itself was ended from outside. */
  readonly exited: Promise<number>;
  /** All it wrote, once it has ended; "" when that goes to a file. */
  readonly output: Promise<string>;
  /** SIGTERM, and SIGKILL for one that is still there three seconds later. */
  end(): Promise<void>;
}

async function textOf(...streams: (Readable | null)[]): Promise<string> {
  const chunks: Buffer[] = [];
  const read = async (stream: Readable | null) => {
    for await (const chunk of stream ?? []) chunks.push(chunk as Buffer);
  };
  await Promise.allSettled(streams.map(read));
  return Buffer.concat(chunks).toString("utf8");
}

/** The guardian and all it has started, for when it does not do its work. */
function killGroup(leader: number | undefined): void {
  try {
    if (leader) process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export async function spawnGuarded({ command, args, output }: GuardedOptions): Promise<Guarded> {
  const guardian = spawn("/bin/sh", ["-c", SCRIPT, "sluice-guardian", command, ...args], {
    detached: true,
    stdio: ["pipe", output, output, "pipe"],
  });
  await new Promise((resolve, reject) => guardian.once("spawn", () => resolve(undefined)).once("error", reject));
  const exited = new Promise<number>((resolve) => guardian.once("exit", (code) => resolve(code ?? -1)));
  guardian.stdin?.on("error", () => undefined);
  return {
    guardianPid: guardian.pid ?? -1,
    programPid: textOf(guardian.stdio[3] as Readable).then((text) => Number(text) || undefined),
    exited,
    output: textOf(guardian.stdout, guardian.stderr),
    async end() {
      guardian.stdin?.end();
      const late = setTimeout(() => killGroup(guardian.pid), END_MS);
      await exited;
      clearTimeout(late);
    },
  };
}
