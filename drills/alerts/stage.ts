import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import mongoose from "mongoose";
import { type Chat, startChat } from "../../test/support/chat.ts";
import { root } from "../../test/support/files.ts";
import { createBrowser } from "../../test/support/http.ts";
import { startProxy, type TcpProxy } from "../../test/support/proxy.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { until } from "../../test/support/until.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";

/** Two servers that start with different dials, their Redis, the way to their MongoDB, and the Prometheus that watches them. */
export interface Stage {
  readonly servers: readonly Chat[];
  readonly redis: RedisServer;
  /** Between the servers and MongoDB. */
  readonly toMongo: TcpProxy;
  /** MongoDB past the servers. */
  readonly db: mongoose.mongo.Db;
  readonly prometheus: Prometheus;
  /** Runs a command line as it stands in the runbook; answers the exit code and what it printed. */
  shell(line: string): Promise<{ code: number | null; output: string }>;
  /** `status` and all words of the health page of a server; empty when it does not answer. */
  health(server: Chat): Promise<string>;
  /** Everything that the console at that server shows; empty when it does not answer. */
  console(server: Chat): Promise<string>;
  close(): Promise<void>;
}

/** What the runbook restarts, by the path that stands for it. */
type Restarts = Record<"/redis" | "/mongo" | "/servers", () => Promise<unknown>>;

/** Programs of the runbook that this machine has under another name, or not at all. */
async function programs(restarts: Restarts): Promise<{ folder: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-runbook-"));
  // Nothing here is a service or a container: what systemctl and docker are asked for, the drill does.
  const services = createServer((req, res) => {
    restarts[req.url as keyof Restarts]().then(
      () => res.end(),
      () => res.writeHead(500).end(),
    );
  });
  await new Promise<void>((done) => services.listen(0, "127.0.0.1", done));
  const { port } = services.address() as AddressInfo;
  const ask = (path: keyof Restarts) => `exec curl -fsS "http://127.0.0.1:${port}${path}"`;
  const scripts = {
    sluice: `exec "${process.execPath}" "${join(root, "dist/src/cli.js")}" "$@"`,
    systemctl: `[ "$*" = "restart redis-server" ] && ${ask("/redis")}`,
    docker: `[ "$*" = "compose restart mongo" ] && ${ask("/mongo")}\n[ "$*" = "compose up -d app" ] && ${ask("/servers")}`,
  };
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return {
    folder,
    async close() {
      await new Promise((done) => services.close(done));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const longestMs = 60_000;

function runShell(line: string, env: Record<string, string>): ReturnType<Stage["shell"]> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-c", line], {
      cwd: root,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: longestMs,
    });
    let output = "";
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: output.trim() }));
  });
}

const token = "a token of the drill";

/** The first state that the console sends. */
async function consoleAt(url: string, cookie: string): Promise<string> {
  const response = await fetch(`${url}/ops/api/events`, { headers: { cookie }, signal: AbortSignal.timeout(3_000) });
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const state = /^data: (.*)\n\n/m.exec(text)?.[1];
    if (state) return state;
  }
  return "";
}

async function enter(url: string): Promise<string> {
  const browser = createBrowser(url);
  await browser.post("/ops/api/login", { token }, { Origin: url, "X-Sluice-Console": "1" });
  return browser.cookie;
}

export async function setStage(mongoUrl: string): Promise<Stage> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const redis = await startRedisServer();
    closing.push(() => redis.close());
    const client = await new mongoose.mongo.MongoClient(mongoUrl).connect();
    closing.push(() => client.close());
    const { hostname, port: mongoPort, pathname } = new URL(mongoUrl);
    const toMongo = await startProxy(Number(mongoPort));
    closing.push(() => toMongo.close());
    const databases = { MONGODB_URL: mongoUrl, REDIS_URL: redis.url };
    const shared = {
      ...databases,
      MONGODB_URL: `mongodb://${hostname}:${toMongo.port}${pathname}?directConnection=true`,
      OPS_TOKEN: token,
      JWT_SECRET: "j".repeat(48),
      SESSION_SECRET: "s".repeat(48),
      INSTANCE_REPORT: "250ms",
      // Missing sessions alone: what else befalls Redis here is not to turn the dial.
      SESSION_STEP_DOWN_ERRORS: "100",
      SESSION_STEP_DOWN_LATENCY: "10s",
    };
    const servers: Chat[] = [];
    const start = (at: number, more: Record<string, string> = {}) =>
      startChat({
        env: {
          ...shared,
          SERVER_ID: ["one", "two"][at] ?? "",
          SESSION_REDIS_PERCENT: ["50", "100"][at] ?? "",
          ...more,
        },
      });
    closing.push(() => Promise.all(servers.map((chat) => chat.stop())));
    for (const at of [0, 1]) servers.push(await start(at));
    async function revive(): Promise<void> {
      for (const [at, { process: child, url }] of servers.entries())
        if (child.exitCode !== null || child.signalCode !== null)
          servers[at] = await start(at, { PORT: new URL(url).port });
    }
    const tools = await programs({
      "/redis": () => redis.kill().then(() => redis.start()),
      "/mongo": async () => toMongo.set({ kind: "none" }),
      "/servers": revive,
    });
    closing.push(tools.close);
    const prometheus = await startPrometheus(servers.map(({ url }) => url));
    closing.push(prometheus.close);
    const { PATH = "", HOME = "" } = process.env;
    const [first] = servers;
    if (!first) throw new Error("no server was started");
    const env = { ...databases, HOME, PATH: `${tools.folder}${delimiter}${PATH}`, CHAT: first.url, REDIS: redis.url };
    const health = async ({ url }: Chat) => {
      const { body } = await createBrowser(url).get("/health/redis");
      return JSON.stringify(body);
    };
    for (const server of servers)
      await until(async () => (await health(server)).startsWith('{"status":"pass"'), { timeoutMs: 30_000 });
    // The same secrets make the pass of one good at the other.
    const cookie = await enter(first.url);
    return {
      servers,
      redis,
      toMongo,
      db: client.db(),
      prometheus,
      shell: (line) => runShell(line, env),
      health: (server) => health(server).catch(() => ""),
      console: ({ url }) => consoleAt(url, cookie).catch(() => ""),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
