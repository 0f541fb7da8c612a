import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { drillEnvironment, performDrill } from "./sessions/perform.ts";
import { shortPlan, wholePlan } from "./sessions/plan.ts";
import { reportOf } from "./sessions/report.ts";
import { withMongo } from "./support/mongo.ts";
import { errorsOnly } from "./support/quiet.ts";

/** Sessions on their way to Redis and back while Redis suffers: `npm run drill -- sessions`. */
export async function run({ short }: RunOptions): Promise<Report> {
  const durations = { healthySeconds: short ? 3 : 6, faultSeconds: short ? 1 : 2 };
  const report = await withMongo((mongoUrl) =>
    performDrill({
      mongoUrl,
      plan: short ? shortPlan(durations) : wholePlan(durations),
      sessions: short ? 1_000 : 5_400,
      rate: short ? 100 : 200,
      graceMs: 1_000,
      leastFromRedis: 0.95,
      looksAgain: 2,
      env: drillEnvironment,
      log: errorsOnly,
      say: (line) => console.error(line),
    }),
  );
  return reportOf(report);
}
