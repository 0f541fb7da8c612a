import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StartError } from "../kernel/errors.ts";
import { identify, lives, outlive, type ProcessId } from "./processes.ts";

const CHILDREN_END_MS = 5_000;

interface Content {
  owner: ProcessId;
  /** The guardian and the database, once they run. */
  children: ProcessId[];
}

/** Another process that lives keeps its database in this folder. */
export class LockedError extends StartError {}

export interface Lock {
  /** Names the children, so that whoever takes a stale lock over can wait for them. */
  record(pids: readonly number[]): void;
  /** Gives the folder free, once nothing runs on it any more. */
  release(): Promise<void>;
}

function read(file: string): Content | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Content;
  } catch {
    return undefined;
  }
}

const sameOwner = (a: Content | undefined, b: Content | undefined) =>
  a?.owner.pid === b?.owner.pid && a?.owner.started === b?.owner.started;

/** Puts a whole file in place, or answers false when there is one already. */
function place(file: string, content: Content): boolean {
  const whole = `${file}.${randomUUID()}`;
  writeFileSync(whole, JSON.stringify(content));
  try {
    linkSync(whole, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(whole, { force: true });
  }
}

/** Moves a stale lock away; one that another start has put there in the meantime goes back. */
function clear(file: string, stale: Content | undefined): void {
  const moved = `${file}.${randomUUID()}`;
  try {
    renameSync(file, moved);
    if (!sameOwner(read(moved), stale)) linkSync(moved, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  } finally {
    rmSync(moved, { force: true });
  }
}

/** One process at a time keeps a database in a folder; a lock whose process is gone is taken over. */
export async function takeLock(dir: string, what: string): Promise<Lock> {
  const file = join(dir, "lock");
  const owner = identify(process.pid);
  if (!owner) throw new StartError(`${what}: cannot tell this process from others (no /proc and no ps).`);
  const mine: Content = { owner, children: [] };
  while (!place(file, mine)) {
    const held = read(file);
    if (held && lives(held.owner))
      throw new LockedError(
        `${what}: the data in ${dir} is in use by process ${held.owner.pid}. Stop that process, or set DATA_DIR to another folder.`,
      );
    // The children of a killed owner end by themselves; one that does not is in nobody's hands.
    await outlive(held?.children ?? [], CHILDREN_END_MS);
    clear(file, held);
  }
  return {
    record(pids) {
      mine.children = pids.map(identify).filter((child) => child !== undefined);
      const whole = `${file}.${randomUUID()}`;
      writeFileSync(whole, JSON.stringify(mine));
      renameSync(whole, file);
    },
    async release() {
      await outlive(mine.children, CHILDREN_END_MS);
      if (sameOwner(read(file), mine)) rmSync(file, { force: true });
    },
  };
}
