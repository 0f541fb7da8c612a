import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import type { Log } from "../src/kernel/log.ts";
import { performDrill as performRealtime } from "./realtime/perform.ts";
import { rollingPlan as rollingInstances } from "./realtime/plan.ts";
import { reportOf as realtimeReport } from "./realtime/report.ts";
import { drillEnvironment, performDrill as performSessions } from "./sessions/perform.ts";
import { rollingPlan as rollingDeploy } from "./sessions/plan.ts";
import { reportOf as sessionsReport } from "./sessions/report.ts";
import { withMongo } from "./support/mongo.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error: (fields, message) => console.error(message, fields) };
const say = (line: string) => console.error(line);

/** Each server restarted in turn, under people who talk, and beside an old server: `npm run drill -- rolling`. */
export async function run({ short }: RunOptions): Promise<Report> {
  const talk = short
    ? { clients: 60, rooms: 3, messages: 1_500, rate: 120 }
    : { clients: 150, rooms: 6, messages: 8_000, rate: 200 };
  const talked = await withMongo((mongoUrl) =>
    performRealtime({ mongoUrl, plan: rollingInstances([0, 1, 2]), ...talk, say }),
  );
  const browsed = await withMongo((mongoUrl) =>
    performSessions({
      mongoUrl,
      plan: rollingDeploy({ healthySeconds: short ? 3 : 6, faultSeconds: 1 }),
      sessions: short ? 800 : 2_000,
      rate: short ? 80 : 150,
      graceMs: 1_000,
      leastFromRedis: 0.95,
      looksAgain: 2,
      env: drillEnvironment,
      log,
      say,
    }),
  );
  const [people, sessions] = [
    realtimeReport(talked, "each instance was drained, and another one took its place"),
    sessionsReport(browsed, "while each server is restarted in turn, half of the sessions in Redis"),
  ];
  const { missing, lost, twice, unsaid, refused } = talked.audit.counts;
  const { tally } = browsed;
  const none = (name: string, value: number) => ({ name, value, unit: "", target: 0, atMost: true });
  return {
    kind: "drill",
    name: "rolling",
    what: `each of 3 servers restarted in turn: ${people.what}; and beside an old server: ${sessions.what}`,
    tables: [
      ...people.tables.map((table, n) =>
        n === 0 ? { ...table, title: "a rolling restart while people talk" } : table,
      ),
      ...sessions.tables.map((table, n) =>
        n === 0 ? { ...table, title: "a rolling deployment with an old server alongside" } : table,
      ),
    ],
    figures: [
      none("messages lost", missing + lost + unsaid),
      none("messages shown twice", twice),
      none("logged out", refused + tally.loggedOut),
      none("revived", tally.revived),
      none("writes of sessions lost", tally.lost),
      none("answers of 500 and above", tally.failed),
    ],
    healthy: [...people.healthy, ...sessions.healthy],
    failures: [...people.failures, ...sessions.failures],
  };
}
