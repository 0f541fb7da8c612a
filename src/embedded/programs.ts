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

const VERSION_TIMEOUT_MS = 10_000;

const inOrder = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });

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

export interface Candidate {
  path: string;
  source: string;
  /** The oldest version that serves. */
  oldest: string;
}

/** Runs it with `--version`: one for another system, without its libraries or too old must not be chosen. */
export async function tryProgram({ path, source, oldest }: Candidate, tried: Tried): Promise<Program | undefined> {
  const refuse = (reason: string) => {
    tried.push(`${source}: ${path} ${reason}`);
    return undefined;
  };
  if (!(await isProgram(path))) return refuse("is not a program that can be run");
  const { code, output } = await runGuarded(path, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS });
  const version = /\bv(?:ersion )?=?v?(\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (code !== 0 || !version) return refuse(`does not run here (${output.trim().split("\n")[0] || `code ${code}`})`);
  if (inOrder(version, oldest) < 0) return refuse(`is version ${version}, older than ${oldest}`);
  return { path, source, version };
}

/** The files of a folder, newest name first; none when there is no folder. */
export async function filesOf(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((): string[] => []);
  return names.sort((a, b) => inOrder(b, a));
}
