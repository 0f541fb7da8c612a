import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { performRestore } from "./restore/perform.ts";
import { reportOf } from "./restore/report.ts";
import { withMongo } from "./support/mongo.ts";

/** Backup and restore of Redis and MongoDB under a chat in use: `npm run drill -- restore`. */
export async function run({ short }: RunOptions): Promise<Report> {
  const say = (line: string) => console.error(line);
  return reportOf(await withMongo((mongo) => performRestore({ mongo, seconds: short ? 1 : 3, say })));
}
