import { performAlertDrill, reportLines } from "./alerts/perform.ts";
import { prometheusInstalled } from "./alerts/prometheus.ts";
import { troubles } from "./alerts/troubles.ts";
import { withMongo } from "./support/mongo.ts";

/** Every fault that can be caused here, its alert, and the way out of the runbook: `npm run drill -- alerts`. */
export async function run(): Promise<boolean> {
  if (!prometheusInstalled) {
    console.error("This drill needs prometheus (Debian: apt-get install prometheus).");
    return false;
  }
  const report = await withMongo((mongoUrl) =>
    performAlertDrill({
      mongoUrl,
      troubles,
      namedWithinMs: 2_000,
      patienceMs: 60_000,
      say: (line) => console.error(line),
    }),
  );
  for (const line of reportLines(report)) console.log(line);
  return report.ok;
}
