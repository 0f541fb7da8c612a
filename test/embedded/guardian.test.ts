import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { spawnGuarded } from "../../src/embedded/guardian.ts";
import { startEmbeddedMongo, startEmbeddedRedis } from "../../src/embedded/index.ts";
import { identify, lives, type ProcessId } from "../../src/embedded/processes.ts";
import { long } from "../support/long.ts";
import { until } from "../support/until.ts";
import { createCleanup, optionsFor, withMongo } from "./support.ts";

/** The promise is 5 s; the rest is for a busy machine. */
const ENDED_WITHIN_MS = 5_000 + (long ? 0 : 5_000);

const cleanup = createCleanup();
afterEach(() => cleanup.run());

interface Holder {
  process: ChildProcess;
  pid: number;
  /** The guardians and the databases. */
  children: ProcessId[];
  says(line: string): Promise<void>;
}

const FOLDERS = ["mongo", "redis"];

/** The lock of the folder whose name begins so. */
function lockIn(dataDir: string, folder: string): { owner: ProcessId; children: ProcessId[] } {
  const name = readdirSync(dataDir).find((entry) => entry.startsWith(folder)) ?? folder;
  return JSON.parse(readFileSync(join(dataDir, name, "lock"), "utf8"));
}

/** A process in a group of its own, as a shell starts it, that keeps both databases. */
async function hold(dataDir: string): Promise<Holder> {
  const holder = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "holder.ts"), dataDir], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanup.add({ close: () => holder.kill("SIGKILL") });
  const lines: string[] = [];
  createInterface(holder.stdout).on("line", (line) => lines.push(line));
  const says = async (line: string) => {
    await until(() => lines.includes(line), { timeoutMs: 30_000, describe: () => `"${line}" among ${lines.join()}` });
  };
  await says("held");
  const children = FOLDERS.flatMap((folder) => lockIn(dataDir, folder).children);
  return { process: holder, pid: holder.pid ?? -1, children, says };
}

function groupOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[2]);
}

function membersOf(group: number): number[] {
  const pids = readdirSync("/proc").map(Number).filter(Boolean);
  return pids.filter((pid) => identify(pid) && groupOf(pid) === group);
}

describe("the guardian", () => {
  test("ends the databases within 5 s of the kill -9 of their parent; a start at once waits and takes over", async () => {
    const dataDir = await cleanup.folder();
    const holder = await hold(dataDir);
    expect(holder.children.filter(lives)).toHaveLength(4);

    process.kill(holder.pid, "SIGKILL");
    const killed = Date.now();
    await once(holder.process, "exit");
    const options = optionsFor(dataDir);
    const starts = Promise.all([startEmbeddedMongo(options), startEmbeddedRedis(options)]);
    await until(() => !holder.children.some(lives), {
      timeoutMs: killed + ENDED_WITHIN_MS - Date.now(),
      describe: "the end of the databases",
    });
    console.log(`databases ended ${Date.now() - killed} ms after the kill -9 of their parent`);

    const [mongo, redis] = await starts;
    cleanup.add(mongo);
    if (redis) cleanup.add(redis);
    expect(await withMongo(mongo.url, (db) => db.collection("kept").distinct("word"))).toEqual(["held"]);
    for (const folder of FOLDERS) expect(lockIn(dataDir, folder).owner.pid).toBe(process.pid);
  });

  test("may be killed itself: the next start ends the database that nobody holds any more", async () => {
    const dataDir = await cleanup.folder();
    const holder = await hold(dataDir);
    const [guardian, database] = holder.children;
    if (!guardian || !database) throw new Error("no children on record");
    for (const pid of membersOf(guardian.pid)) if (pid !== database.pid) process.kill(pid, "SIGKILL");
    process.kill(holder.pid, "SIGKILL");
    await once(holder.process, "exit");
    expect(lives(database)).toBe(true);

    const mongo = cleanup.add(await startEmbeddedMongo(optionsFor(dataDir)));
    expect(lives(database)).toBe(false);
    expect(await withMongo(mongo.url, (db) => db.collection("kept").distinct("word"))).toEqual(["held"]);
  });

  test("keeps the databases until their parent has closed when Ctrl-C goes to the whole group", async () => {
    const dataDir = await cleanup.folder();
    const holder = await hold(dataDir);
    expect(groupOf(holder.pid)).toBe(holder.pid);
    for (const child of holder.children) expect(groupOf(child.pid)).not.toBe(holder.pid);

    process.kill(-holder.pid, "SIGINT");
    await holder.says("closed");
    expect(holder.children.filter(lives)).toEqual([]);
    const mongo = cleanup.add(await startEmbeddedMongo(optionsFor(dataDir)));
    expect(await withMongo(mongo.url, (db) => db.collection("kept").distinct("word"))).toEqual([
      "after Ctrl-C",
      "held",
    ]);
  });

  test("kills a program that does not heed SIGTERM", async () => {
    const stubborn = await spawnGuarded({
      command: "/bin/sh",
      args: ["-c", "trap '' TERM; while :; do read -r _ </dev/zero; done"],
      output: "pipe",
    });
    const program = identify((await stubborn.programPid) ?? -1);
    if (!program) throw new Error("the program did not start");
    await stubborn.end();
    expect(lives(program)).toBe(false);
  });

  test("does not keep a program alive that it can no longer end", async () => {
    const guarded = await spawnGuarded({ command: "/bin/sh", args: ["-c", "read -r _ </dev/zero"], output: "pipe" });
    const program = identify((await guarded.programPid) ?? -1);
    if (!program) throw new Error("the program did not start");
    for (const pid of membersOf(guarded.guardianPid)) if (pid !== program.pid) process.kill(pid, "SIGSTOP");
    await guarded.end();
    await until(() => !lives(program), { describe: "the end of the program" });
  });

  test("answers the exit code and all of the output of a program", async () => {
    const program = await spawnGuarded({ command: "/bin/sh", args: ["-c", "echo one; exit 7"], output: "pipe" });
    expect(await program.exited).toBe(7);
    expect(await program.output).toBe("one\n");
  });
});
