import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  return bytes;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

const WORTH_A_LINE = 50_000;

/** Looks how much has arrived in a folder, prints it when it is more than at the last look, and answers whether it is. */
export function watchArriving(dir: string, what: string, print: (line: string) => void, total?: number) {
  let seen = 0;
  return async (): Promise<boolean> => {
    const bytes = Math.min(await bytesIn(dir), total ?? Number.POSITIVE_INFINITY);
    if (bytes - seen < WORTH_A_LINE) return false;
    seen = bytes;
    print(`${what}: ${megabytes(bytes)}${total ? ` of ${megabytes(total)}` : ""} MB`);
    return true;
  };
}
