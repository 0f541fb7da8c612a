import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, platform, totalmem } from "node:os";

export const machineLine = () =>
  `${cpus().length} × ${cpus()[0]?.model.trim() ?? "processor"}, ${Math.round(totalmem() / 2 ** 30)} GB, ${platform()}, Node ${process.versions.node}`;

/** Whatever a bench or a drill runs, or reads its commands from. */
const measured = [
  ...["src", "bench", "drills", "test/support", "migrations", "monitoring", "sentinel"],
  ...["docs/backup.md", "docs/runbook", "test/guard/runbook.ts", "Dockerfile", "package.json", "package-lock.json"],
];

/** The last commit that changed what is measured; a `+` after it: with changes that are in none. */
export function codeLine(): string {
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const commit = git("log", "-1", "--format=%h", "--abbrev=7", "--", ...measured);
    return git("status", "--porcelain", "--", ...measured) === "" ? commit : `${commit}+`;
  } catch {
    return "no commit";
  }
}

/** Of the processors' time that this machine wanted and what it did not get of it, in ticks; where Linux tells. */
function ticks(): { wanted: number; stolen: number } | undefined {
  try {
    const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = line
      .split(/ +/)
      .slice(1)
      .map(Number);
    return { wanted: user + nice + system + irq + softirq + stolen, stolen };
  } catch {
    return undefined;
  }
}

/** Answers what share of the processors' time, in %, others on the same hardware have taken from this machine since. */
export function watchStolen(): () => number | undefined {
  const before = ticks();
  return () => {
    const after = ticks();
    if (!before || !after || after.wanted === before.wanted) return undefined;
    return Math.round((100 * (after.stolen - before.stolen)) / (after.wanted - before.wanted));
  };
}

export const stolenWords = (percent: number) => `${percent} % of the processors' time was taken by other machines`;
