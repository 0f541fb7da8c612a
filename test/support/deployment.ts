import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { root } from "./files.ts";
import { type KitProcess, onFreePort, spawnKitProcess } from "./redis-process.ts";
import { ask, type Reply } from "./resp.ts";
import { until } from "./until.ts";

const run = promisify(execFile);
const entrypoint = join(root, "sentinel/entrypoint.sh");

/** Passwords and keys as sentinel/make-secrets.sh makes them, in a folder of their own. */
export interface DeployedSecrets {
  readonly folder: string;
  read(name: string): string;
  remove(): Promise<void>;
}

export async function makeSecrets(): Promise<DeployedSecrets> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-secrets-"));
  await run(join(root, "sentinel/make-secrets.sh"), [folder]);
  return {
    folder,
    read: (name) => readFileSync(join(folder, name), "utf8"),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The rules of the chat's user, as the deployment ships them. */
export function rulesOfTheChat(): string[] {
  const line = readFileSync(join(root, "sentinel/users.acl"), "utf8")
    .split("\n")
    .find((text) => text.startsWith("user sluice "));
  const [rules = ""] = line?.split(/#\{\w+\} /).slice(1) ?? [];
  return rules.split(" ").filter(Boolean);
}

export interface DeployOptions {
  kind: "redis" | "cluster" | "sentinel";
  secrets: DeployedSecrets;
  /** Its name for others. */
  announce?: string;
  /** The port of the master it begins with, at the host it is announced by. */
  master?: number;
  certificates?: string;
  /** A redis-server of another version. */
  binary?: string;
  port?: number;
}

/** A process of the deployment, started by its entrypoint, that can be maltreated. */
export interface Deployed {
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  /** As the operator. */
  ask(...args: (string | number)[]): Promise<Reply>;
  info(name: string): Promise<string>;
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  /** After `kill`, on the same port, with the folder it had. */
  start(): Promise<void>;
  /** The container's health check; false when it is not well. */
  check(): Promise<boolean>;
  close(): Promise<void>;
}

export async function deploy(options: DeployOptions): Promise<Deployed> {
  const { kind, secrets, announce, master, certificates, binary } = options;
  const dir = await mkdtemp(join(tmpdir(), `sluice-${kind}-`));
  const host = announce ?? "127.0.0.1";
  const environment = (port: number) => ({
    PORT: String(port),
    DATA: dir,
    SECRETS: secrets.folder,
    PATH: [...(binary ? [dirname(binary)] : []), process.env.PATH ?? ""].join(delimiter),
    ...(announce && { ANNOUNCE: announce }),
    ...(master && { MASTER: `${host} ${master}` }),
    ...(certificates && { CERTIFICATES: certificates }),
  });
  const check = (port: number) =>
    run(entrypoint, ["check", kind], { env: environment(port), timeout: 5_000 }).then(
      () => true,
      () => false,
    );
  let process_: KitProcess;

  async function start(port: number): Promise<number | undefined> {
    if (kind === "cluster" && port > 55_535) return undefined;
    const env = Object.entries(environment(port)).map(([name, value]) => `${name}=${value}`);
    const kit = await spawnKitProcess("/usr/bin/env", [...env, entrypoint, kind]);
    process_ = kit;
    const ended = () => {
      try {
        process.kill(kit.pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    await until(async () => (await check(port)) || ended(), { timeoutMs: 30_000, describe: `${kind} on ${port}` });
    if (!ended()) return port;
    return undefined;
  }
  const started = options.port === undefined ? await onFreePort(start, 20) : await start(options.port);
  if (!started) throw new Error(`${basename(dir)} did not start`);
  const port = started;
  const who = { username: "operator", password: secrets.read("redis_operator_password") };
  const send = (...args: (string | number)[]) => ask(port, args, who);

  return {
    port,
    dir,
    get pid() {
      return process_.pid;
    },
    ask: send,
    async info(name) {
      const text = String(await send("INFO"));
      return new RegExp(`^${name}:(.*)$`, "m").exec(text.replaceAll("\r", ""))?.[1] ?? "";
    },
    freeze: () => process_.signal("SIGSTOP"),
    thaw: () => process_.signal("SIGCONT"),
    kill: () => process_.kill(),
    start: () =>
      until(() => start(port), { timeoutMs: 30_000, describe: `${kind} on port ${port} again` }).then(() => undefined),
    check: () => check(port),
    async close() {
      await process_.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What a server is told there beside where its databases are: all sessions are read from Redis, and stay there. */
export const deployedEnv = ({ folder }: Pick<DeployedSecrets, "folder">) => ({
  REDIS_USERNAME: "sluice",
  REDIS_PASSWORD_FILE: `${folder}/redis_password`,
  SESSION_SECRET_FILE: `${folder}/session_secret`,
  JWT_SECRET_FILE: `${folder}/jwt_secret`,
  SESSION_REDIS_PERCENT: "100",
  SESSION_STEP_DOWN: "off",
});
