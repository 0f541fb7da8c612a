import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultCacheDir, startEmbeddedMongo } from "../../src/embedded/index.ts";
import { dropDatabase, withDatabase } from "../../test/support/databases.ts";
import { errorsOnly } from "./quiet.ts";

const say = (line: string) => console.error(line);

let serial = 0;

/** A MongoDB for one drill or bench: a database in `MONGODB_TEST_URL`, or an embedded one on a folder of its own. */
export async function withMongo<T>(work: (url: string) => Promise<T>): Promise<T> {
  const name = `drill-${process.pid}-${++serial}`;
  const { MONGODB_TEST_URL, XDG_CACHE_HOME, PATH = "", MONGOMS_SYSTEM_BINARY: systemBinary = "" } = process.env;
  if (MONGODB_TEST_URL) {
    const url = withDatabase(MONGODB_TEST_URL, name);
    return work(url).finally(() => dropDatabase(url));
  }
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-drill-"));
  const programs = { cacheDir: defaultCacheDir(XDG_CACHE_HOME), searchPath: PATH, systemBinary };
  const mongo = await startEmbeddedMongo({ dataDir, ...programs, downloadTimeoutMs: 60_000, log: errorsOnly, say });
  try {
    return await work(withDatabase(mongo.url, name));
  } finally {
    await mongo.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}
