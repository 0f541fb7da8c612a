import { homedir } from "node:os";
import { defaultCacheDir } from "../../src/embedded/options.ts";
import { filesOf, findOnPath } from "../../src/embedded/programs.ts";

const names = ["redis-server", "valkey-server"];
let found: Promise<string> | undefined;

/** Every redis-server below the cache folder, where the product unpacks its embedded one. */
async function cached(dir: string, depth = 6): Promise<string[]> {
  if (depth === 0) return [];
  const below = await Promise.all((await filesOf(dir)).map((name) => cached(`${dir}/${name}`, depth - 1)));
  const here = await findOnPath(names, dir);
  return [...(here ? [here] : []), ...below.flat()];
}

async function find(): Promise<string> {
  const given = process.env.REDIS_TEST_BINARY;
  if (given) return given;
  const onPath = await findOnPath(names, process.env.PATH ?? "");
  const [first] = onPath ? [onPath] : await cachedRedisServers();
  if (first) return first;
  throw new Error("no redis-server: put one on PATH, or set REDIS_TEST_BINARY");
}

export const cachedRedisServers = (): Promise<string[]> =>
  cached(defaultCacheDir(process.env.XDG_CACHE_HOME, homedir()));

/** The redis-server of the tests: `REDIS_TEST_BINARY`, the one on PATH, or the embedded one's. */
export function redisBinary(): Promise<string> {
  found ??= find();
  return found;
}
