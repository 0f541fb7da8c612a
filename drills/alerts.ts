import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { performAlertDrill, reportOf } from "./alerts/perform.ts";
import { troubles } from "./alerts/troubles.ts";
import { withMongo } from "./support/mongo.ts";

/** Every fault that can be caused here, its alert, and the way out of the runbook: `npm run drill -- alerts`. */
export async function run({ short }: RunOptions): Promise<Report> {
  const played = troubles.filter((trouble) => !short || trouble.short);
  const say = (line: string) => console.error(line);
  return reportOf(
    await withMongo((mongoUrl) =>
      performAlertDrill({ mongoUrl, troubles: played, namedWithinMs: 2_000, patienceMs: 60_000, say }),
    ),
  );
}
