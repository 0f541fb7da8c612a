import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { filesOf, type Tried } from "./programs.ts";
import { runGuarded } from "./run.ts";

const PACKAGE = "mongodb-memory-server-core";
const require = createRequire(import.meta.url);

// In a process of its own: it can be ended at its time limit, and what it prints reaches nobody.
const SCRIPT = `
const [, entry, downloadDir] = process.argv;
const { MongoBinary } = await import(entry);
console.log("\\nmongod=" + (await MongoBinary.getPath({ downloadDir })));
`;

const downloadsIn = (cacheDir: string) => join(cacheDir, PACKAGE);

/** What an earlier start downloaded; the checksum beside it says that it was unpacked to its end. */
export async function downloadedMongods(cacheDir: string): Promise<string[]> {
  const names = await filesOf(downloadsIn(cacheDir));
  return names
    .filter((name) => name.startsWith("mongod") && names.includes(`${name}.md5`))
    .map((name) => join(downloadsIn(cacheDir), name));
}

/** One attempt to download a mongod; undefined with the reason in `tried`. */
export async function downloadMongod(cacheDir: string, timeoutMs: number, tried: Tried): Promise<string | undefined> {
  let entry: string;
  try {
    entry = pathToFileURL(require.resolve("mongodb-memory-server-core")).href;
  } catch {
    tried.push(`${PACKAGE}: not installed (it comes with the development dependencies)`);
    return undefined;
  }
  const args = ["--input-type=module", "-e", SCRIPT, entry, downloadsIn(cacheDir)];
  const { output, timedOut } = await runGuarded(process.execPath, args, { timeoutMs });
  const path = /^mongod=(.+)$/m.exec(output)?.[1];
  if (path) return path;
  const reason = /^(?:\w*Error: )?(.*(?:ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|failed).*)$/m.exec(output)?.[1];
  tried.push(
    `${PACKAGE}: ${timedOut ? `nothing after ${timeoutMs / 1000} s` : (reason ?? "no mongod for this system")}`,
  );
  return undefined;
}
