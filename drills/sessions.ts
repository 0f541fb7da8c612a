import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { defaultCacheDir, startEmbeddedMongo } from "../src/embedded/index.ts";
import type { Log } from "../src/kernel/log.ts";
import { withDatabase } from "../test/support/databases.ts";
import { drillEnvironment, performDrill } from "./sessions/perform.ts";
import { wholePlan } from "./sessions/plan.ts";
import { reportLines } from "./sessions/report.ts";

const quiet: Log = { debug() {}, info() {}, warn() {}, error: (fields, message) => console.error(message, fields) };
const say = (line: string) => console.error(line);

async function withMongo<T>(work: (url: string) => Promise<T>): Promise<T> {
  const name = `drill-${process.pid}`;
  const { MONGODB_TEST_URL, XDG_CACHE_HOME, PATH = "", MONGOMS_SYSTEM_BINARY: systemBinary = "" } = process.env;
  if (MONGODB_TEST_URL) return work(withDatabase(MONGODB_TEST_URL, name));
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-drill-"));
  const programs = { cacheDir: defaultCacheDir(XDG_CACHE_HOME), searchPath: PATH, systemBinary };
  const mongo = await startEmbeddedMongo({ dataDir, ...programs, downloadTimeoutMs: 15_000, log: quiet, say });
  try {
    return await work(withDatabase(mongo.url, name));
  } finally {
    await mongo.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Sessions on their way to Redis and back while Redis suffers: `npm run drill -- sessions [file for the figures]`. */
export async function run([file = "test-results/drill-sessions.json"]: string[]): Promise<boolean> {
  const report = await withMongo((mongoUrl) =>
    performDrill({
      mongoUrl,
      plan: wholePlan({ healthySeconds: 6, faultSeconds: 2 }),
      sessions: 5_400,
      rate: 200,
      graceMs: 1_000,
      leastFromRedis: 0.95,
      looksAgain: 2,
      env: drillEnvironment,
      log: quiet,
      say,
    }),
  );
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  for (const line of reportLines(report)) console.log(line);
  return report.ok;
}
