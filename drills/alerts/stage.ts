import mongoose from "mongoose";
import { preambles } from "../../test/guard/runbook.ts";
import { type Chat, startChat } from "../../test/support/chat.ts";
import { createEnds } from "../../test/support/ends.ts";
import { createBrowser } from "../../test/support/http.ts";
import { containerOfServer, createShell, type RunLines, type Services } from "../../test/support/pages.ts";
import { startProxy, type TcpProxy } from "../../test/support/proxy.ts";
import { until } from "../../test/support/until.ts";
import { type Prometheus, startPrometheus } from "./prometheus.ts";

/** Servers, the way to their MongoDB, the Prometheus that watches them, and the shell of whoever ends what befalls them. */
export interface Stage {
  readonly servers: readonly Chat[];
  /** Between the servers and MongoDB. */
  readonly toMongo: TcpProxy;
  /** MongoDB past the servers. */
  readonly db: mongoose.mongo.Db;
  readonly prometheus: Prometheus;
  readonly shell: RunLines;
  /** `status` and all words of the health page of a server; empty when it does not answer. */
  health(server: Chat): Promise<string>;
  /** Everything that the console at that server shows; empty when it does not answer. */
  console(server: Chat): Promise<string>;
  close(): Promise<void>;
}

export interface StageOptions {
  mongoUrl: string;
  /** For servers and shell alike: where Redis is. */
  redis: Record<string, string>;
  /** For the shell alone. */
  shell?: Record<string, string>;
  /** The other services of docker-compose.yml, beside the servers, where these are its containers. */
  containers?: Record<string, string>;
  /** Their passwords. */
  secrets?: string;
  /** What each server has besides, by its name. */
  servers: Readonly<Record<string, Record<string, string>>>;
  services?: Services;
  /** Puts into MongoDB what the servers find there. */
  prepare?(db: mongoose.mongo.Db): Promise<void>;
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

async function healthAt({ url }: Chat): Promise<string> {
  const { body } = await createBrowser(url).get("/health/redis");
  return JSON.stringify(body);
}

const common = {
  OPS_TOKEN: token,
  JWT_SECRET: "j".repeat(48),
  SESSION_SECRET: "s".repeat(48),
  // Missing sessions alone: what else befalls Redis here is not to turn the dial.
  SESSION_STEP_DOWN_ERRORS: "100",
  SESSION_STEP_DOWN_LATENCY: "10s",
};

const saying = (env: Record<string, string>) => Object.entries(env).map(([name, value]) => `export ${name}='${value}'`);

/** What the runbook says of where everything is, but for what is elsewhere in a drill. */
function shellOf({ mongoUrl, redis, shell, containers, secrets }: StageOptions, CHAT: string, services: Services) {
  const known = { ...redis, MONGODB_URL: mongoUrl };
  const { machines, compose } = preambles();
  if (!containers || !secrets) {
    const preamble = [machines, ...saying({ ...known, CHAT, ...shell })].join("\n");
    return { env: {}, services, preamble };
  }
  const preamble = [compose, ...saying({ CHAT })].join("\n");
  return { env: {}, services, preamble, secrets, containers: { ...containers, app: containerOfServer(known) } };
}

export async function setStage(options: StageOptions): Promise<Stage> {
  const { mongoUrl, redis, servers: wanted, services = {}, prepare } = options;
  const ends = createEnds();
  const { close } = ends;
  try {
    const client = ends.add(await new mongoose.mongo.MongoClient(mongoUrl).connect());
    const db = client.db();
    ends.later(() => db.dropDatabase());
    const { hostname, port: mongoPort, pathname } = new URL(mongoUrl);
    const toMongo = ends.add(await startProxy(Number(mongoPort)));
    const shared = {
      ...common,
      ...redis,
      MONGODB_URL: `mongodb://${hostname}:${toMongo.port}${pathname}?directConnection=true`,
    };
    const servers: Chat[] = [];
    const start = (name: string, more: Record<string, string>) =>
      startChat({ env: { ...shared, SERVER_ID: name, ...wanted[name], ...more } });
    ends.later(() => Promise.all(servers.map((chat) => chat.stop())));
    const names = Object.keys(wanted);
    for (const [at, name] of names.entries()) {
      servers.push(await start(name, { MIGRATE_ON_START: String(at === 0) }));
      if (at === 0) await prepare?.(db);
    }
    async function revive(): Promise<void> {
      for (const [at, { process: child, url }] of servers.entries())
        if (child.exitCode !== null || child.signalCode !== null)
          servers[at] = await start(names[at] ?? "", { PORT: new URL(url).port });
    }
    const prometheus = ends.add(await startPrometheus(servers.map(({ url }) => url)));
    async function scale(count: number): Promise<void> {
      const more = Array.from({ length: count - servers.length }, (_, at) => start(`more-${at}`, {}));
      servers.push(...(await Promise.all(more)));
      await prometheus.watch(servers.map(({ url }) => url));
    }
    const [first] = servers;
    if (!first) throw new Error("no server was started");
    const atHand = {
      "docker compose restart mongo": async () => toMongo.set({ kind: "none" }),
      "docker compose up -d app": revive,
      "docker compose up -d --scale app=4": () => scale(4),
      ...services,
    };
    const shell = ends.add(await createShell(shellOf(options, first.url, atHand)));
    for (const server of servers)
      await until(async () => (await healthAt(server)).startsWith('{"status":"pass"'), { timeoutMs: 30_000 });
    // The same secrets make the pass of one good at the other.
    const cookie = await enter(first.url);
    return {
      servers,
      toMongo,
      db,
      prometheus,
      shell: shell.run,
      health: (server) => healthAt(server).catch(() => ""),
      console: ({ url }) => consoleAt(url, cookie).catch(() => ""),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
