import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, get as plainGet } from "node:http";
import { get as tlsGet } from "node:https";
import type { AddressInfo } from "node:net";
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
let balancer: Balancer;
let url = "";

/** The shipped configuration, with instances of this machine in place of those that Docker knows. */
function configuration(port: number, instances: readonly string[]): string {
  const servers = instances.map((at, i) => `  server instance${i} ${new URL(at).host}`);
  return shipped
    .replace(/^ {2}server-template .*$/m, servers.join("\n"))
    .replace("bind :3001", `bind 127.0.0.1:${port}`)
    .replace("log stdout format raw local0 warning", "log stdout format raw local0 emerg");
}

interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

interface BalancerOptions {
  instances: readonly string[];
  env?: Record<string, string>;
  /** What stands behind the address in `bind`. */
  bind?: string;
}

function startBalancer({ instances, env = {}, bind = "" }: BalancerOptions): Promise<Balancer> {
  return onFreePort(async (port) => {
    const file = join(dir, `haproxy-${port}.cfg`);
    writeFileSync(file, configuration(port, instances).replace(/^( {2}bind .*)$/m, `$1 ${bind}`));
    const { PATH = "" } = process.env;
    const started = spawn(haproxy, ["-db", "-f", file], { env: { PATH, ...env }, stdio: ["ignore", "ignore", "pipe"] });
    let complaints = "";
    started.stderr.on("data", (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    const at = `${bind ? "https" : "http"}://127.0.0.1:${port}`;
    const ended = () => started.exitCode !== null;
    const ready = async () => ended() || (await told(at, {})).status === 200;
    await until(ready, { timeoutMs: 20_000, describe: () => complaints });
    if (ended()) return undefined;
    return {
      url: at,
      async close() {
        if (ended()) return;
        const exit = once(started, "exit");
        started.kill("SIGKILL");
        await exit;
      },
    };
  });
}

/** What comes back through a balancer, whose certificate is a test's. */
async function told(at: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  const options = { headers, ca: readFileSync(join(root, "test/support/tls/ca.pem")), agent: false };
  const asked = at.startsWith("https:")
    ? tlsGet(`${at}/health/ready`, options)
    : plainGet(`${at}/health/ready`, options);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}

describe.skipIf(!installed)("a server behind haproxy hears of HTTPS", () => {
  const echo = createServer((request, response) => {
    response.end(`${request.headers["x-forwarded-proto"] ?? "nothing"}`);
  });
  const opened: Balancer[] = [];
  const heard = async (options: Partial<BalancerOptions>, headers: Record<string, string> = {}) => {
    const { port } = echo.address() as AddressInfo;
    const one = await startBalancer({ instances: [`http://127.0.0.1:${port}`], ...options });
    opened.push(one);
    return (await told(one.url, headers)).text;
  };
  const claim = { "X-Forwarded-Proto": "https" };

  beforeAll(async () => {
    await once(echo.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(async () => {
    for (const one of opened) await one.close();
    echo.closeAllConnections();
    echo.close();
  });

  it("from nobody who only claims it", async () => {
    expect(await heard({}, claim)).toBe("nothing");
    expect(await heard({ env: { TRUST_PROXY: "1" } }, claim)).toBe("nothing");
  });

  it("from a proxy in front that is counted", async () => {
    expect(await heard({ env: { TRUST_PROXY: "2" } }, claim)).toBe("https");
    expect(await heard({ env: { TRUST_PROXY: "2" } })).toBe("nothing");
  });

  it("from haproxy itself, when it ends HTTPS", async () => {
    const pem = join(dir, "certificate.pem");
    const parts = ["server.pem", "server.key"].map((name) =>
      readFileSync(join(root, "test/support/tls", name), "utf8"),
    );
    writeFileSync(pem, parts.join("\n"));
    const bind = `ssl crt ${pem} alpn http/1.1`;
    expect(await heard({ bind }, { "X-Forwarded-Proto": "http" })).toBe("https");
  });
});

describe.skipIf(!installed)("behind haproxy, as it is configured here", () => {
  beforeAll(async () => {
    redis = await startRedisServer();
    const env = { MONGODB_URL: mongo, REDIS_URL: redis.url, TRUST_PROXY: "1", METRICS_PUBLIC: "true" };
    group = await startGroup({ count: 2, env });
    balancer = await startBalancer({ instances: group.instances.map((chat) => chat.url) });
    url = balancer.url;
  }, 120_000);

  afterAll(async () => {
    for (const visitor of people) visitor.close();
    await balancer?.close();
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
