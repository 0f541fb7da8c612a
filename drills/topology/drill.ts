import type { RunOptions } from "../../bench/support/conduct.ts";
import type { Report } from "../../bench/support/report.ts";
import { withMongo } from "../support/mongo.ts";
import { shortPlan, wholePlan } from "./faults.ts";
import { performTopology } from "./perform.ts";
import { reportOf } from "./report.ts";
import { setStage } from "./stage.ts";

export async function drillTopology(
  name: string,
  what: string,
  begin: Parameters<typeof setStage>[1],
  { short, args }: RunOptions,
): Promise<Report> {
  const more = Object.fromEntries(args.map((pair) => pair.split("=", 2)));
  const report = await withMongo(async (mongo) => {
    const stage = await setStage(mongo, begin, more);
    try {
      const say = (line: string) => console.error(line);
      const plan = short ? shortPlan : wholePlan;
      return await performTopology(stage, { plan, people: 60, rate: 50, mostMs: 6_000, say });
    } finally {
      await stage.close();
    }
  });
  return reportOf(name, what, report);
}
