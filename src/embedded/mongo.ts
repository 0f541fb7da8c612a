import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { StartError } from "../kernel/errors.ts";
import { type EmbeddedMongoOptions, findMongod } from "./find-mongod.ts";
import { canGuard } from "./guardian.ts";
import type { EmbeddedDatabase } from "./options.ts";
import { LOOPBACK } from "./ports.ts";
import { makePrimary, REPLICA_SET } from "./replica-set.ts";
import { runServer } from "./server.ts";

const DATABASE = "sluice";
const CACHE_GB = 0.25;
const OPLOG_MB = 256;
const START_TIMEOUT_MS = 60_000;

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
    ready: ({ port, pid }, signal) => makePrimary(port, signal, pid),
    startTimeoutMs: START_TIMEOUT_MS,
    log,
  });
  log.info({ port, dir, path, source, version }, "embedded MongoDB started");
  say(`MongoDB ${version} (${source}) runs at ${LOOPBACK}:${port}, its data is in ${dir}.`);
  return { url: `mongodb://${LOOPBACK}:${port}/${DATABASE}?replicaSet=${REPLICA_SET}`, source, version, close };
}
