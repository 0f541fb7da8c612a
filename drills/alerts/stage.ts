import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Chat, startChat } from "../../test/support/chat.ts";
import { root } from "../../test/support/files.ts";
import { createBrowser } from "../../test/support/http.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { until } from "../../test/support/until.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";

/** Two servers that start with different dials, one Redis, and the Prometheus that watches them. */
export interface Stage {
  readonly servers: readonly Chat[];
  readonly redis: RedisServer;
  readonly prometheus: Prometheus;
  /** Runs a command line as it stands in the runbook; answers the exit code and what it printed. */
  shell(line: string): Promise<{ code: number | null; output: string }>;
  /** `status` and all words of the health page of a server. */
  health(server: Chat): Promise<string>;
  close(): Promise<void>;
}

/** Programs of the runbook that this machine has under another name, or not at all. */
async function programs(redis: RedisServer): Promise<{ folder: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-runbook-"));
  // This machine's Redis is no service: what systemctl is asked for, the drill does.
  const services = createServer((_req, res) => {
    redis
      .kill()
      .then(() => redis.start())
      .then(
        () => res.end(),
        () => res.writeHead(500).end(),
      );
  });
  await new Promise<void>((done) => services.listen(0, "127.0.0.1", done));
  const { port } = services.address() as AddressInfo;
  const scripts = {
    sluice: `exec "${process.execPath}" "${join(root, "dist/src/cli.js")}" "$@"`,
    systemctl: `[ "$*" = "restart redis-server" ] && exec curl -fsS "http://127.0.0.1:${port}/"`,
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

export async function setStage(mongoUrl: string): Promise<Stage> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const redis = await startRedisServer();
    closing.push(() => redis.close());
    const databases = { MONGODB_URL: mongoUrl, REDIS_URL: redis.url };
    const servers: Chat[] = [];
    for (const [name, percent] of Object.entries({ one: "50", two: "100" })) {
      const own = {
        SERVER_ID: name,
        SESSION_REDIS_PERCENT: percent,
        INSTANCE_REPORT: "250ms",
        SESSION_STEP_DOWN: "off",
      };
      const chat = await startChat({ env: { ...databases, ...own } });
      closing.push(() => chat.stop());
      servers.push(chat);
    }
    const tools = await programs(redis);
    closing.push(tools.close);
    const prometheus = await startPrometheus(servers.map(({ url }) => url));
    closing.push(prometheus.close);
    const { PATH = "", HOME = "" } = process.env;
    const [first] = servers;
    if (!first) throw new Error("no server was started");
    const env = { ...databases, HOME, PATH: `${tools.folder}${delimiter}${PATH}`, CHAT: first.url, REDIS: redis.url };
    const health = async ({ url }: Chat) => JSON.stringify((await createBrowser(url).get("/health/redis")).body);
    for (const server of servers)
      await until(async () => (await health(server)).startsWith('{"status":"pass"'), { timeoutMs: 30_000 });
    return { servers, redis, prometheus, shell: (line) => runShell(line, env), health, close };
  } catch (error) {
    await close();
    throw error;
  }
}
