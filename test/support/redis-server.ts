import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passport, tlsArgs } from "./certificates.ts";
import { redisBinary } from "./redis-binary.ts";
import { answers, freePort, type KitProcess, onFreePort, spawnKitProcess } from "./redis-process.ts";
import { ask, type Reply } from "./resp.ts";
import { until } from "./until.ts";

export interface StartOptions {
  port?: number;
  /** Further arguments, as on the command line of redis-server. */
  args?: string[];
  /** Kept afterwards; without one, a folder of its own that goes with the server. */
  dir?: string;
  binary?: string;
  /** The port must leave room for the cluster bus, 10,000 above. */
  busPort?: boolean;
  /** Nothing but TLS is spoken, among servers, too. */
  tls?: boolean;
}

/** A real redis-server that a test can maltreat. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** A command past everything that is tested. */
  ask(...args: (string | number)[]): Promise<Reply>;
  info(name: string): Promise<string>;
  /** Freezes the process: connections stay, nothing is answered. */
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  /** After `kill`, on the same port, with what it had saved. */
  start(): Promise<void>;
  /** On the same port, with what it holds, or with nothing. */
  restart(options: { keepData: boolean }): Promise<void>;
  /** Remembers all data as of now; `restore` restarts with them. */
  snapshot(): Promise<() => Promise<void>>;
  /** Every write is refused with OOM, until `relieve`. */
  fill(): Promise<void>;
  relieve(): Promise<void>;
  /** Every write is refused with READONLY: a replica whose master is gone. */
  makeReplica(): Promise<void>;
  makeMaster(): Promise<void>;
  setPassword(password: string): Promise<void>;
  close(): Promise<void>;
}

const DUMP = "dump.rdb";

export async function startRedisServer(options: StartOptions = {}): Promise<RedisServer> {
  const { port: wanted, args = [], dir, binary, busPort = false, tls = false } = options;
  const folder = dir ?? (await mkdtemp(join(tmpdir(), "sluice-redis-")));
  const program = binary ?? (await redisBinary());
  const dump = join(folder, DUMP);
  const initial = args[args.indexOf("--requirepass") + 1];
  let password = args.includes("--requirepass") ? initial : undefined;
  const who = () => ({ password, tls: tls ? passport() : undefined });
  let kit: KitProcess;

  async function start(port: number): Promise<number | undefined> {
    if (busPort && port > 55_535) return undefined;
    const listening = tls ? tlsArgs(port) : ["--port", String(port)];
    const own = [...listening, "--bind", "127.0.0.1", "--dir", folder, "--dbfilename", DUMP, "--save", ""];
    const quick = ["--appendonly", "no", "--repl-diskless-sync-delay", "0", "--loglevel", "warning"];
    kit = await spawnKitProcess(program, [...own, ...quick, ...args]);
    if (await answers(port, kit, who())) return port;
    await kit.kill();
    return undefined;
  }

  const started = wanted === undefined ? await onFreePort(start, busPort ? 20 : 5) : await start(wanted);
  if (started === undefined) throw new Error(`redis-server did not start on port ${wanted}`);
  const port = started;

  const send = (...command: (string | number)[]) => ask(port, command, who());
  async function again(): Promise<void> {
    await until(() => start(port), { describe: `redis-server on port ${port} again`, timeoutMs: 15_000 });
    await until(async () => (await send("PING")) === "PONG");
  }

  return {
    port,
    url: `redis${tls ? "s" : ""}://127.0.0.1:${port}`,
    get pid() {
      return kit.pid;
    },
    ask: send,
    async info(name) {
      const text = String(await send("INFO"));
      return new RegExp(`^${name}:(.*)$`, "m").exec(text.replaceAll("\r", ""))?.[1] ?? "";
    },
    freeze: () => kit.signal("SIGSTOP"),
    thaw: () => kit.signal("SIGCONT"),
    kill: () => kit.kill(),
    start: again,
    async restart({ keepData }) {
      if (keepData) await send("SAVE");
      await kit.kill();
      if (!keepData) await rm(dump, { force: true });
      await again();
    },
    async snapshot() {
      await send("SAVE");
      const copy = `${dump}.${Date.now()}`;
      await copyFile(dump, copy);
      return async () => {
        await kit.kill();
        await copyFile(copy, dump);
        await again();
      };
    },
    async fill() {
      await send("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await send("CONFIG", "SET", "maxmemory", "1");
    },
    async relieve() {
      await send("CONFIG", "SET", "maxmemory", "0");
    },
    async makeReplica() {
      await send("REPLICAOF", "127.0.0.1", await freePort());
    },
    async makeMaster() {
      await send("REPLICAOF", "NO", "ONE");
    },
    async setPassword(next) {
      await send("CONFIG", "SET", "requirepass", next);
      password = next || undefined;
    },
    async close() {
      await kit.kill();
      if (dir === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
