import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { until } from "../../test/support/until.ts";

const fileOf = (pid: number | string) => `${tmpdir()}/sluice-held-${pid}.json`;

const hook = `
import { renameSync, writeFileSync } from "node:fs";
const file = ${JSON.stringify(fileOf("PID"))}.replace("PID", process.pid);
process.on("SIGUSR2", () => {
  globalThis.gc();
  writeFileSync(file + ".part", JSON.stringify(process.memoryUsage()));
  renameSync(file + ".part", file);
});`;

/** For a process that is asked what it holds: it throws away what nobody needs, and writes down what is left. */
export const tellsWhatItHolds = ["--expose-gc", "--import", `data:text/javascript,${encodeURIComponent(hook)}`];

/** In bytes: objects and the buffers they hold on to, without garbage; and the whole process. */
export type Held = Pick<NodeJS.MemoryUsage, "heapUsed" | "external" | "rss">;

export async function heldBy(pid: number): Promise<Held> {
  const file = fileOf(pid);
  process.kill(pid, "SIGUSR2");
  const read = () => {
    try {
      return JSON.parse(readFileSync(file, "utf8")) as NodeJS.MemoryUsage;
    } catch {
      return undefined;
    }
  };
  const held = await until(read);
  rmSync(file);
  return held;
}
