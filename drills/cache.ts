import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { performCacheDrill } from "./cache/perform.ts";
import { reportOf } from "./cache/report.ts";
import { withMongo } from "./support/mongo.ts";

/** Caches under readers and writers while Redis suffers: `npm run drill -- cache`. */
export async function run({ short }: RunOptions): Promise<Report> {
  const durations = short ? { healthySeconds: 2, faultSeconds: 1.5 } : { healthySeconds: 6, faultSeconds: 4 };
  const say = (line: string) => console.error(line);
  return reportOf(
    await withMongo((mongoUrl) =>
      performCacheDrill({ mongoUrl, people: 120, ...durations, boundMs: 2_500, leastFromCache: 0.8, say }),
    ),
  );
}
