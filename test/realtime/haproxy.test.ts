import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createVisitor, type Visitor } from "../../drills/realtime/visitor.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { root } from "../support/files.ts";
import { type Group, startGroup } from "../support/group.ts";
import { createBrowser } from "../support/http.ts";
import { onFreePort } from "../support/redis-process.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { createEar, credentialsOf, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const haproxy = "haproxy";
const installed = spawnSync(haproxy, ["-v"]).status === 0;
const shipped = readFileSync(join(root, "haproxy/haproxy.cfg"), "utf8");
const dir = mkdtempSync(join(tmpdir(), "sluice-haproxy-"));
const mongo = mongoUrl("haproxy");
const people: Visitor[] = [];
let redis: RedisServer;
let group: Group;
let balancer: ChildProcess;
let complaints = "";
let url = "";

/** The shipped configuration, with instances of this machine in place of those that Docker knows. */
function configuration(port: number): string {
  const servers = group.instances.map((chat, i) => `  server instance${i} ${new URL(chat.url).host}`);
  return shipped
    .replace(/^ {2}server-template .*$/m, servers.join("\n"))
    .replace("bind :3001", `bind 127.0.0.1:${port}`)
    .replace("log stdout format raw local0 warning", "log stdout format raw local0 emerg");
}

describe.skipIf(!installed)("behind haproxy, as it is configured here", () => {
  beforeAll(async () => {
    redis = await startRedisServer();
    const env = { MONGODB_URL: mongo, REDIS_URL: redis.url, TRUST_PROXY: "1", METRICS_PUBLIC: "true" };
    group = await startGroup({ count: 2, env });
    url = await onFreePort(async (port) => {
      const file = join(dir, "haproxy.cfg");
      writeFileSync(file, configuration(port));
      const started = spawn(haproxy, ["-db", "-f", file], { stdio: ["ignore", "ignore", "pipe"] });
      started.stderr.on("data", (chunk: Buffer) => {
        complaints += chunk.toString();
      });
      balancer = started;
      const at = `http://127.0.0.1:${port}`;
      const ended = () => started.exitCode !== null;
      const ready = async () => ended() || (await fetch(`${at}/health/ready`)).status === 200;
      await until(ready, { timeoutMs: 20_000, describe: () => complaints });
      return ended() ? undefined : at;
    });
  }, 120_000);

  afterAll(async () => {
    for (const visitor of people) visitor.close();
    if (balancer?.exitCode === null) {
      const exit = once(balancer, "exit");
      balancer.kill("SIGKILL");
      await exit;
    }
    await group?.close();
    await redis?.close();
    await dropDatabase(mongo);
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it("is a configuration that haproxy takes as it is", () => {
    const { status, stderr } = spawnSync(haproxy, ["-c", "-f", join(root, "haproxy/haproxy.cfg")], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toMatchObject({ status: 0 });
  });

  it("stays at one instance over HTTP, polling and WebSocket", async () => {
    const browser = createBrowser(url);
    await browser.register("polly");
    expect(browser.cookie).toContain("sluice_instance=");
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]] as const) {
      const ear = createEar(url, { ...credentialsOf(browser), transports: [...transports] });
      expect(await open(ear)).toBe("connected");
      expect(await ear.join("general")).toBeInstanceOf(Array);
      ear.close();
    }
  });

  it("takes everybody of an instance that stops to the other, into their rooms, without asking who they are", async () => {
    for (let i = 0; i < 10; i++) {
      const browser = createBrowser(url);
      await browser.register(`mover-${i}`);
      const credentials = credentialsOf(browser);
      people.push(createVisitor({ name: `mover-${i}`, room: "general", credentials, pick: () => url, onArrival() {} }));
    }
    const settled = () => people.every((visitor) => visitor.settled);
    await until(settled, { timeoutMs: 30_000 });
    await group.at(0).stop();
    await until(settled, { timeoutMs: 30_000 });
    const moved = people.filter(({ reasons }) => reasons["io server disconnect"]);
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.length).toBeLessThan(10);
    expect(people.flatMap(({ refusals }) => refusals)).toEqual([]);
    people[0]?.say("all here?");
    const shown = (visitor: Visitor) => visitor.stretches.at(-1)?.live.length ?? 0;
    await until(() => people.every((visitor) => shown(visitor) > 0));
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });
});
