import type { RunOptions } from "../../bench/support/conduct.ts";
import type { Report } from "../../bench/support/report.ts";
import { withMongo } from "../support/mongo.ts";
import type { Play } from "./acts.ts";
import { performAlertDrill, reportOf } from "./perform.ts";

/** Every trouble of a play, or of the act that is named. */
export async function drillAlerts(name: string, play: Play, { short, args }: RunOptions): Promise<Report> {
  const [only] = args;
  const say = (line: string) => console.error(line);
  const how = { play, short, namedWithinMs: 2_000, patienceMs: 60_000, say, ...(only && { only }) };
  return reportOf(name, await withMongo((mongoUrl) => performAlertDrill({ mongoUrl, ...how })));
}
