import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { performDrill } from "./realtime/perform.ts";
import { wholePlan } from "./realtime/plan.ts";
import { reportOf } from "./realtime/report.ts";
import { withMongo } from "./support/mongo.ts";

/** Several instances as one chat while Redis and instances fail: `npm run drill -- realtime`. */
export async function run({ short }: RunOptions): Promise<Report> {
  const size = short
    ? { clients: 60, rooms: 3, messages: 3_000, rate: 150 }
    : { clients: 300, rooms: 6, messages: 20_000, rate: 250 };
  const say = (line: string) => console.error(line);
  return reportOf(
    await withMongo((mongoUrl) => performDrill({ mongoUrl, plan: wholePlan, departs: true, ...size, say })),
  );
}
