import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { performAlertDrill, reportOf } from "./alerts/perform.ts";
import { withMongo } from "./support/mongo.ts";

/** Every fault that has an alert, that alert, and the way out of the runbook: `npm run drill -- alerts [act]`. */
export async function run({ short, args }: RunOptions): Promise<Report> {
  const [only] = args;
  const say = (line: string) => console.error(line);
  const how = { short, namedWithinMs: 2_000, patienceMs: 60_000, say, ...(only && { only }) };
  return reportOf(await withMongo((mongoUrl) => performAlertDrill({ mongoUrl, ...how })));
}
