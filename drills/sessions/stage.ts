import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { plainLog } from "../../src/cli/desk.ts";
import { runProgram } from "../../src/cli/program.ts";
import { type Chat, startChat } from "../../test/support/chat.ts";
import { createEnds } from "../../test/support/ends.ts";
import { root } from "../../test/support/files.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { until } from "../../test/support/until.ts";
import { end } from "../support/child.ts";
import { cookieName, type Secrets } from "./people.ts";

/** The processes of the drill. */
export interface Stage {
  readonly servers: readonly Chat[];
  /** Where the balancer sends nobody. */
  readonly closed: ReadonlySet<string>;
  /** Nobody is sent there any more; then it is asked to end, and comes back at the same address. */
  restart(index: number, calmMs: number): Promise<void>;
  readonly old: { url: string };
  readonly redis: RedisServer;
  readonly secrets: Secrets;
  readonly urls: { mongo: string; redis: string };
  /** The operator's door; answers its JSON, and the exit code. */
  // biome-ignore lint/suspicious/noExplicitAny: the answer of a command
  sluice(...args: string[]): Promise<{ code: number; json: any; aside: string }>;
  close(): Promise<void>;
}

async function startOldServer(env: Record<string, string>): Promise<{ url: string; process: ChildProcess }> {
  const { PATH = "", HOME = "" } = process.env;
  const script = join(root, "drills/sessions/old-server.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script], {
    cwd: root,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const url = await until(() => /old server at (\S+)/.exec(text)?.[1], {
    timeoutMs: 30_000,
    describe: "the old server",
  });
  return { url, process: child };
}

export async function setStage(mongo: string, env: Record<string, string>): Promise<Stage> {
  const secrets = { jwt: randomBytes(24).toString("hex"), session: randomBytes(24).toString("hex") };
  const redis = await startRedisServer();
  const urls = { mongo, redis: redis.url };
  const ends = createEnds();
  ends.add(redis);
  const close = async () => {
    redis.thaw();
    await ends.close();
  };
  const databases = { MONGODB_URL: mongo, REDIS_URL: redis.url, SESSION_SECRET: secrets.session };

  async function sluice(...args: string[]) {
    let [text, aside] = ["", ""];
    const code = await runProgram([...args, "--json"], {
      environment: () => ({ NODE_ENV: "test", ...databases }),
      print(line) {
        text += line;
      },
      aside(more) {
        aside += more;
      },
      terminal: false,
      log: plainLog(() => {}),
      signal: new AbortController().signal,
    });
    return { code, json: text ? JSON.parse(text) : undefined, aside };
  }

  try {
    const common = { ...databases, JWT_SECRET: secrets.jwt, SESSION_COOKIE: cookieName, ...env };
    const start = (name: string, more: Record<string, string> = { MIGRATE_ON_START: "false" }) =>
      startChat({ env: { ...common, SERVER_ID: name, ...more } });
    const names = ["one", "two", "three"];
    const closed = new Set<string>();
    const servers: Chat[] = [];
    ends.later(() => Promise.all(servers.map((chat) => chat.stop())));
    // The first one brings the database up to date.
    servers.push(await start("one", {}));
    servers.push(...(await Promise.all(names.slice(1).map((name) => start(name)))));
    async function restart(index: number, calmMs: number): Promise<void> {
      const { url = "", stop = async () => null } = servers[index] ?? {};
      closed.add(url);
      await pause(calmMs);
      await stop();
      const { port } = new URL(url);
      servers[index] = await start(names[index] ?? "", { MIGRATE_ON_START: "false", PORT: port });
      closed.delete(url);
    }
    const old = await startOldServer({
      MONGODB_URL: mongo,
      SESSION_SECRET: secrets.session,
      SESSION_COOKIE: cookieName,
    });
    ends.later(() => end(old.process));
    return { servers, closed, restart, old, redis, secrets, urls, sluice, close };
  } catch (error) {
    await close();
    throw error;
  }
}
