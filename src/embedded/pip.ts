import { runGuarded } from "./run.ts";

export interface PipDownload {
  python: string;
  requirement: string;
  pipArgs: readonly string[];
  dir: string;
  timeoutMs: number;
  watch: () => Promise<boolean>;
}

const QUIET = ["--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off", "--retries", "1"];

/** Lets pip put one wheel into a folder; throws in its words. */
export async function pipDownload(wanted: PipDownload): Promise<void> {
  const { python, requirement, pipArgs, dir, timeoutMs, watch } = wanted;
  // pip writes below TMPDIR while it downloads: there the watcher sees the bytes arrive, and nothing is left elsewhere.
  const args = [`TMPDIR=${dir}`, python, "-m", "pip", "download", ...QUIET, ...pipArgs, "-d", dir, requirement];
  const { code, output, timedOut } = await runGuarded("/usr/bin/env", args, { timeoutMs, watch });
  if (timedOut) throw new Error(`not there after ${timeoutMs / 1000} s`);
  if (code !== 0) throw new Error(output.trim().split("\n").at(-1) || `pip ended with code ${code}`);
}
