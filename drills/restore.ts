import { performRestore, reportLines } from "./restore/perform.ts";
import { withMongo } from "./support/mongo.ts";

/** Backup and restore of Redis and MongoDB under a chat in use: `npm run drill -- restore`. */
export async function run(): Promise<boolean> {
  const report = await withMongo((mongo) => performRestore({ mongo, seconds: 3, say: (line) => console.error(line) }));
  for (const line of reportLines(report)) console.log(line);
  return report.ok;
}
