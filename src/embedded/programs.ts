import { constants } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { runGuarded } from "./run.ts";

/** A database program that was seen to run here. */
export interface Program {
  path: string;
  /** Where it was found, in words for the person who starts it. */
  source: string;
  version: string;
}

/** What was tried on the way to a program, in words; the message of a failed start lists it. */
export type Tried = string[];

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

export async function findOnPath(names: readonly string[], searchPath: string): Promise<string | undefined> {
  for (const name of names)
    for (const dir of searchPath.split(delimiter))
      if (dir && (await isProgram(join(dir, name)))) return join(dir, name);
  return undefined;
}

/** Runs it with `--version`: a program for another system, or without its libraries, must not be chosen. */
export async function tryProgram(path: string, source: string, tried: Tried): Promise<Program | undefined> {
  if (!(await isProgram(path))) {
    tried.push(`${source}: ${path} is not a program that can be run`);
    return undefined;
  }
  const { code, output } = await runGuarded(path, ["--version"], { timeoutMs: 10_000 });
  const version = /\bv(?:ersion )?=?v?(\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (code === 0 && version) return { path, source, version };
  tried.push(`${source}: ${path} does not run here (${output.trim().split("\n")[0] ?? `code ${code}`})`);
  return undefined;
}

/** The files of a folder, newest name first; none when there is no folder. */
export async function filesOf(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((): string[] => []);
  return names.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}
