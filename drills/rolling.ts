import type { RunOptions } from "../bench/support/conduct.ts";
import type { Report } from "../bench/support/report.ts";
import { performDrill as performRealtime } from "./realtime/perform.ts";
import { rollingPlan as rollingInstances } from "./realtime/plan.ts";
import { reportOf as realtimeReport } from "./realtime/report.ts";
import { drillEnvironment, performDrill as performSessions } from "./sessions/perform.ts";
import { rollingPlan as rollingDeploy } from "./sessions/plan.ts";
import { reportOf as sessionsReport } from "./sessions/report.ts";
import { withMongo } from "./support/mongo.ts";
import { errorsOnly } from "./support/quiet.ts";

/** What one of the parts tells, and how often each thing happened that must never happen. */
interface Part {
  readonly report: Report;
  readonly title: string;
  readonly never: Readonly<Record<string, number>>;
}

const say = (line: string) => console.error(line);

async function restart(short: boolean): Promise<Part> {
  const talk = short
    ? { clients: 60, rooms: 3, messages: 1_500, rate: 120 }
    : { clients: 150, rooms: 6, messages: 8_000, rate: 200 };
  const talked = await withMongo((mongoUrl) =>
    performRealtime({ mongoUrl, plan: rollingInstances([0, 1, 2]), ...talk, say }),
  );
  const { missing, lost, twice, unsaid, refused } = talked.audit.counts;
  return {
    report: realtimeReport(talked, "each instance was drained, and another one took its place"),
    title: "a rolling restart while people talk",
    never: { "messages lost": missing + lost + unsaid, "messages shown twice": twice, "logged out": refused },
  };
}

async function deploy(short: boolean): Promise<Part> {
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
      log: errorsOnly,
      say,
    }),
  );
  const { loggedOut, revived, lost, failed } = browsed.tally;
  return {
    report: sessionsReport(browsed, "while each server is restarted in turn, half of the sessions in Redis"),
    title: "a rolling deployment with an old server alongside",
    never: {
      "logged out": loggedOut,
      revived,
      "writes of sessions lost": lost,
      "answers of 500 and above": failed,
    },
  };
}

const parts: Readonly<Record<string, (short: boolean) => Promise<Part>>> = { restart, deploy };

/** Each server restarted in turn, under people who talk, and beside an old server: `npm run drill -- rolling [restart | deploy]`. */
export async function run({ short, args }: RunOptions): Promise<Report> {
  const [only] = args;
  const chosen = Object.entries(parts).filter(([name]) => only === undefined || only === name);
  if (chosen.length === 0)
    throw new Error(`npm run drill -- rolling takes ${Object.keys(parts).join(" or ")}, or nothing`);
  const done: Part[] = [];
  for (const [, perform] of chosen) done.push(await perform(short));
  const never = new Map<string, number>();
  for (const part of done)
    for (const [name, times] of Object.entries(part.never)) never.set(name, (never.get(name) ?? 0) + times);
  return {
    kind: "drill",
    name: "rolling",
    what: `each of 3 servers restarted in turn: ${done.map(({ report }) => report.what).join("; and beside an old server: ")}`,
    tables: done.flatMap(({ report, title }) =>
      report.tables.map((table, n) => (n === 0 ? { ...table, title } : table)),
    ),
    figures: [...never].map(([name, value]) => ({ name, value, unit: "", target: 0, atMost: true })),
    healthy: done.flatMap(({ report }) => report.healthy),
    failures: done.flatMap(({ report }) => report.failures),
  };
}
