import { spawnGuarded } from "../../src/embedded/guardian.ts";
import { choosePort } from "../../src/embedded/ports.ts";
import { type AskOptions, ask } from "./resp.ts";
import { until } from "./until.ts";

/** A process of the fault kit, with a guardian: it ends when whoever started it ends. */
export interface KitProcess {
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, also when it is stopped; answers when it is gone. */
  kill(): Promise<void>;
}

export async function spawnKitProcess(command: string, args: string[]): Promise<KitProcess> {
  const guarded = await spawnGuarded({ command, args, output: "pipe" });
  const pid = await guarded.programPid;
  if (!pid) throw new Error(`${command} did not start`);
  let gone = false;
  void guarded.exited.then(() => {
    gone = true;
  });
  const signal = (name: NodeJS.Signals) => {
    if (!gone) process.kill(pid, name);
  };
  return {
    pid,
    signal,
    async kill() {
      try {
        signal("SIGKILL");
      } catch {
        // It ended between the look and the signal.
      }
      await guarded.exited;
    },
  };
}

export const freePort = (): Promise<number> => choosePort("/nonexistent");

/** Starts it on a free port until one is still free when the process asks for it. */
export async function onFreePort<T>(start: (port: number) => Promise<T | undefined>, tries = 5): Promise<T> {
  for (let round = 0; round < tries; round += 1) {
    const started = await start(await freePort());
    if (started) return started;
  }
  throw new Error(`no free port was still free when it was needed (${tries} tries)`);
}

/** True once it answers, false when the process has ended before. */
export async function answers(port: number, kit: KitProcess, who: AskOptions = {}): Promise<boolean> {
  let ended = false;
  const pinged = until(
    async () => {
      try {
        process.kill(kit.pid, 0);
      } catch {
        ended = true;
        return true;
      }
      return ask(port, ["PING"], { ...who, timeoutMs: 1_000 }).catch((error: Error) =>
        /^(LOADING|NOAUTH|MASTERDOWN)/.test(error.message) ? "busy" : undefined,
      );
    },
    { timeoutMs: 15_000, everyMs: 10, describe: `redis on ${port}` },
  );
  await pinged;
  return !ended;
}
