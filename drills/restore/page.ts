import { readFileSync } from "node:fs";
import { join } from "node:path";
import { blockWith } from "../../test/guard/runbook.ts";
import { atDesk } from "../../test/support/desk.ts";
import { root } from "../../test/support/files.ts";
import type { RunLines } from "../../test/support/pages.ts";

/** The commands of docs/backup.md for after a restoration of MongoDB, word by word. */
function commandsOfThePage(): string[][] {
  const text = readFileSync(join(root, "docs/backup.md"), "utf8");
  const lines = text.split("\n").filter((line) => line.startsWith("sluice "));
  if (lines.length === 0) throw new Error("docs/backup.md names no command for after a restoration");
  const wordsOf = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
  return lines.map((line) => wordsOf(line.replace(/\s#.*$/, "")).slice(1) as string[]);
}

/** The commands of the page that back Redis up and restore it. */
export const redisBackup = blockWith("docs/backup.md", "cli --rdb");
export const redisRestore = blockWith("docs/backup.md", "stop redis\n");

/** Runs lines of the page in a shell; ends with an error when one of them does. */
export async function type(shell: RunLines, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const { code, output } = await shell(line);
    if (code !== 0) throw new Error(`${line} ended with ${code}: ${output}`);
  }
}

/** Runs them one after the other, as the operator would; answers what did not go well. */
export async function followThePage(env: Record<string, string>): Promise<string[]> {
  const failed: string[] = [];
  for (const words of commandsOfThePage()) {
    const { code, text, aside } = await atDesk(words, env);
    if (code !== 0) failed.push(`sluice ${words.join(" ")} ended with ${code}: ${text}\n${aside}`.slice(0, 1_500));
  }
  return failed;
}
