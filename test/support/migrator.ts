import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { MigrateOptions } from "../../src/mongo/migrate.ts";
import { root } from "./files.ts";

/** A folder of migrations written by a test, as the text of JavaScript modules. */
export function migrationFolder(files: Record<string, string>): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "sluice-migrations-"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface Migrator {
  process: ChildProcess;
  /** What it printed, and how it ended. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; output: string }>;
}

/** `migrateUp` in a process of its own. */
export function spawnMigrator(options: Omit<MigrateOptions, "log" | "signal">): Migrator {
  const migrate = pathToFileURL(join(root, "src/mongo/migrate.ts")).href;
  const silent = "{ debug() {}, info() {}, warn() {}, error() {} }";
  const script = `import { migrateUp } from ${JSON.stringify(migrate)};
    const done = await migrateUp({ ...${JSON.stringify(options)}, log: ${silent} });
    console.log(JSON.stringify(done));`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; output: string }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, output }));
  });
  return { process: child, ended };
}
