import { withMongo } from "./support/mongo.ts";
import { performTopology, reportLines, wholePlan } from "./topology/perform.ts";
import { cluster, setStage } from "./topology/stage.ts";

/** Three masters with a replica each and two servers, as docker-compose.yml has them: `npm run drill -- cluster [NAME=value …]`. */
export async function run(settings: string[]): Promise<boolean> {
  const more = Object.fromEntries(settings.map((pair) => pair.split("=", 2)));
  const report = await withMongo(async (mongo) => {
    const stage = await setStage(mongo, cluster, more);
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
