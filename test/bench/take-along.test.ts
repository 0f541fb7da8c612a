import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { until } from "../../test/support/until.ts";

const takeAlong = new URL("../../bench/support/take-along.ts", import.meta.url).href;

/** One that has ended, and that nobody has taken note of yet, is not. */
function alive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

it.runIf(process.platform === "linux")("leaves nothing of what was started when it is told to end", async () => {
  const program = `
    import { spawn } from "node:child_process";
    import { takeAlong } from ${JSON.stringify(takeAlong)};
    takeAlong();
    const shell = spawn("sh", ["-c", "sleep 600 & echo $!; wait"], { stdio: ["ignore", "inherit", "ignore"] });
    console.log(shell.pid);`;
  const bench = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program]);
  let said = "";
  bench.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const started = () => said.trim().split("\n").map(Number).filter(Boolean);
  try {
    await until(() => started().length === 2, { describe: () => said });
    const ended = once(bench, "exit");
    bench.kill("SIGTERM");
    expect(await ended).toEqual([143, null]);
    await until(() => !started().some(alive), { describe: started });
  } finally {
    for (const pid of [bench.pid ?? 0, ...started()].filter(alive)) process.kill(pid, "SIGKILL");
  }
});
