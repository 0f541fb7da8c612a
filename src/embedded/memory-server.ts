import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { watchArriving } from "./arriving.ts";
import { filesOf, type Tried } from "./programs.ts";
import { runGuarded } from "./run.ts";

const PACKAGE = "mongodb-memory-server";
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

function entryOf(): string | undefined {
  try {
    return pathToFileURL(require.resolve("mongodb-memory-server-core")).href;
  } catch {
    return undefined;
  }
}

interface DownloadOptions {
  cacheDir: string;
  timeoutMs: number;
  progress(line: string): void;
}

/** One attempt to download a mongod; undefined with the reason in `tried`. */
export async function downloadMongod(options: DownloadOptions, tried: Tried): Promise<string | undefined> {
  const { cacheDir, timeoutMs, progress } = options;
  const dir = downloadsIn(cacheDir);
  const entry = entryOf();
  if (!entry) {
    tried.push(`${PACKAGE}: not installed (it is a development dependency)`);
    return undefined;
  }
  const arriving = watchArriving(dir, "MongoDB", progress);
  const watch = async () => (await arriving()) && false;
  const args = ["--input-type=module", "-e", SCRIPT, entry, dir];
  const { output, timedOut } = await runGuarded(process.execPath, args, { timeoutMs, watch });
  const path = /^mongod=(.+)$/m.exec(output)?.[1];
  if (path) return path;
  const reason = (/^.*(?:ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT).*$/m.exec(output) ??
    /^\w*Error: .*$/m.exec(output))?.[0];
  tried.push(
    `${PACKAGE}: ${timedOut ? `not there after ${timeoutMs / 1000} s` : (reason?.trim() ?? "found no mongod")}`,
  );
  return undefined;
}
