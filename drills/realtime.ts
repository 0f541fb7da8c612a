import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { performDrill } from "./realtime/perform.ts";
import { wholePlan } from "./realtime/plan.ts";
import { reportLines } from "./realtime/report.ts";
import { withMongo } from "./support/mongo.ts";

/** Several instances as one chat while Redis and instances fail: `npm run drill -- realtime [file for the figures]`. */
export async function run([file = "test-results/drill-realtime.json"]: string[]): Promise<boolean> {
  const report = await withMongo((mongoUrl) =>
    performDrill({
      mongoUrl,
      plan: wholePlan,
      clients: 300,
      rooms: 6,
      messages: 20_000,
      rate: 250,
      say: (line) => console.error(line),
    }),
  );
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  for (const line of reportLines(report)) console.log(line);
  return report.ok;
}
