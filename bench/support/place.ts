import { execFileSync } from "node:child_process";
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
