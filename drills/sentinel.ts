import { withMongo } from "./support/mongo.ts";
import { performTopology, reportLines, wholePlan } from "./topology/perform.ts";
import { sentinels, setStage } from "./topology/stage.ts";

/** A master, two replicas, three sentinels and two servers, as docker-compose.yml has them: `npm run drill -- sentinel [NAME=value …]`. */
export async function run(settings: string[]): Promise<boolean> {
  const more = Object.fromEntries(settings.map((pair) => pair.split("=", 2)));
  const report = await withMongo(async (mongo) => {
    const stage = await setStage(mongo, sentinels, more);
    try {
      const say = (line: string) => console.error(line);
      return await performTopology(stage, { plan: wholePlan, people: 60, rate: 50, mostMs: 6_000, say });
    } finally {
      await stage.close();
    }
  });
  for (const line of reportLines(report)) console.log(line);
  return report.ok;
}
