import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { blockWith } from "../guard/runbook.ts";
import { type Deployed, type DeployedSecrets, deploy, makeSecrets } from "../support/deployment.ts";
import { root } from "../support/files.ts";
import { containerOf, createShell, type Shell, shellBeside } from "../support/pages.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);

/** Every file below it, with what is in it. */
const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => [join(one.parentPath, one.name), readFileSync(join(one.parentPath, one.name), "latin1")])
    .sort();

const page = "docs/backup.md";
const backup = blockWith(page, "cli --rdb");
const restore = blockWith(page, "stop redis\n");

describe("a Redis is restored as docs/backup.md says", () => {
  let secrets: DeployedSecrets;
  let redis: Deployed;
  let shell: Shell;

  beforeAll(async () => {
    secrets = await makeSecrets();
  });
  afterAll(() => secrets?.remove());
  beforeEach(async () => {
    redis = await deploy({ kind: "redis", secrets });
    shell = await shellBeside(redis, secrets);
  });
  afterEach(async () => {
    await shell?.close();
    await redis?.close();
  });

  async function follow(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      const { code, output } = await shell.run(line);
      expect([line, code, output]).toEqual([line, 0, expect.any(String)]);
    }
  }

  it("from a snapshot; what was there before is kept beside it", async () => {
    await redis.ask("SET", "cache:then", "1");
    await follow(backup);
    await redis.ask("SET", "cache:later", "1");
    await follow(restore);
    expect(await redis.ask("GET", "cache:then")).toBe("1");
    expect(await redis.ask("GET", "cache:later")).toBeNull();
    expect(await redis.info("aof_enabled")).toBe("1");
    expect(readdirSync(join(redis.dir, "replaced"))).toContain("appendonlydir");
    expect(readdirSync(redis.dir)).not.toContain("restoring");
  });

  it("and again, with another state", async () => {
    await follow(backup);
    for (const value of ["1", "2"]) {
      await redis.ask("SET", "cache:later", value);
      await follow(restore);
      expect(await redis.ask("GET", "cache:later")).toBeNull();
    }
  });

  it("not at all when the snapshot cannot be read: everything stays where it is", async () => {
    await redis.ask("SET", "cache:then", "1");
    await redis.ask("SAVE");
    await redis.kill();
    const folder = shell.folder;
    await mkdir(join(folder, "a-folder"));
    await writeFile(join(folder, "garbage"), "not a snapshot at all");
    await writeFile(join(folder, "half"), readFileSync(join(redis.dir, "dump.rdb")).subarray(0, -12));
    await writeFile(join(folder, "closed"), readFileSync(join(redis.dir, "dump.rdb")));
    await chmod(join(folder, "closed"), 0o600);
    const before = filesIn(redis.dir);
    for (const name of ["is-not-there", "a-folder", "garbage", "half"]) {
      const restoring = run(join(root, "sentinel/entrypoint.sh"), ["restore", join(folder, name)], {
        env: { ...process.env, DATA: redis.dir },
      });
      await expect(restoring, name).rejects.toThrow(/nothing is changed/);
      expect(filesIn(redis.dir), name).toEqual(before);
    }
    // Whoever makes no use of the page's chmod: the container's user is another one than the file's.
    await writeFile(join(folder, "backup.rdb"), readFileSync(join(folder, "closed")));
    await chmod(join(folder, "backup.rdb"), 0o600);
    const [line = ""] = restore.filter((one) => one.includes(" restore "));
    expect(await shell.run(line)).toMatchObject({ code: 1, output: expect.stringMatching(/nothing is changed/) });
    expect(filesIn(redis.dir)).toEqual(before);
    await redis.start();
    expect(await redis.ask("GET", "cache:then")).toBe("1");
  });
});

describe("the master of sentinels is restored as docs/backup.md says", () => {
  const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  let secrets: DeployedSecrets;
  let shell: Shell;
  const wait = { timeoutMs: 60_000, everyMs: 50 };
  const servers: Deployed[] = [];
  const watchers: Deployed[] = [];

  beforeAll(async () => {
    secrets = await makeSecrets();
    const first = await deploy({ kind: "redis", secrets, announce: "127.0.0.1" });
    servers.push(first);
    for (const announce of addresses.slice(1))
      servers.push(await deploy({ kind: "redis", secrets, announce, master: first.port }));
    // A sentinel asks at once who follows, and then after ten seconds only.
    await until(async () => (await first.info("connected_slaves")) === "2", wait);
    for (let at = 0; at < 3; at += 1)
      watchers.push(await deploy({ kind: "sentinel", secrets, announce: "127.0.0.1", master: first.port }));
    const killed = new Set<Deployed>();
    const stop = (all: readonly Deployed[]) => Promise.all(all.map((one) => one.kill().then(() => killed.add(one))));
    const start = (all: readonly Deployed[]) =>
      Promise.all(all.filter((one) => killed.delete(one)).map((one) => one.start()));
    // Sentinels know the servers by addresses here, and by the names of their services there.
    const names = ["redis", "redis-2", "redis-3"];
    const places = servers.flatMap((one, at) =>
      [names[at], addresses[at]].map((name) => [name, containerOf(one, secrets)]),
    );
    shell = await createShell({
      env: {},
      services: {
        "docker compose stop sentinel-1 sentinel-2 sentinel-3": () => stop(watchers),
        "docker compose stop redis redis-2 redis-3": () => stop(servers),
        "docker compose up -d": () => start([...servers, ...watchers]),
        ...Object.fromEntries(
          servers.map((one, at) => [`docker compose up -d --wait ${addresses[at]}`, () => start([one])]),
        ),
      },
      containers: { ...Object.fromEntries(places), "sentinel-1": containerOf(watchers[0] as Deployed, secrets) },
      secrets: secrets.folder,
    });
  });
  afterAll(async () => {
    await shell?.close();
    await Promise.all([...watchers, ...servers].map((one) => one.close()));
    await secrets?.remove();
  });

  const follow = async (lines: readonly string[]) =>
    expect(await shell.run(["set -e", ...lines].join("\n"))).toMatchObject({ code: 0 });
  async function master(): Promise<Deployed | undefined> {
    const [watcher] = watchers;
    const answer = await watcher?.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster").catch(() => null);
    return Array.isArray(answer) ? servers.find(({ port }) => port === Number(answer[1])) : undefined;
  }
  const hold = (all: readonly Deployed[], value: string | null) => async () => {
    const held = await Promise.all(all.map((one) => one.ask("GET", "cache:later").catch(() => "?")));
    return held.every((one) => one === value);
  };

  it("whichever it is, and the replicas copy it", { timeout: 120_000 }, async () => {
    const [first, ...others] = servers as [Deployed, ...Deployed[]];
    const ready = async () =>
      String(await watchers[0]?.ask("SENTINEL", "CKQUORUM", "mymaster").catch(() => "")).startsWith("OK 3");
    await until(ready, wait);
    await first.ask("SET", "cache:then", "1");
    await follow(backup);
    const given = async () => {
      await watchers[0]?.ask("SENTINEL", "FAILOVER", "mymaster").catch(() => undefined);
      await until(async () => others.includes((await master()) ?? first), { timeoutMs: 5_000 });
      return (await (await master())?.info("role")) === "master";
    };
    await until(() => given().catch(() => false), wait);
    const now = (await master()) as Deployed;
    await until(() => now.ask("SET", "cache:later", "1").catch(() => null), wait);
    // Sentinels look at the former master every ten seconds only, so it may come back late.
    await until(hold(others, "1"), { ...wait, describe: "the other to follow the new master" });
    await follow(blockWith(page, "stop sentinel-1"));
    await until(hold(others, null), { ...wait, describe: "the replica to have what was restored" });
    expect(await Promise.all(others.map((one) => one.ask("GET", "cache:then")))).toEqual(["1", "1"]);
    expect((await master())?.port).toBe(now.port);
    expect(await now.info("role")).toBe("master");
  });
});
