import { count, ms, type Report } from "../../bench/support/report.ts";
import { faultTable } from "../support/faults.ts";
import { wrongs } from "./audit.ts";
import { type DrillReport, instances } from "./perform.ts";
import { presenceWithinMs } from "./presence.ts";

/** Each message comes to every instance but its own; nearly all of that over Redis, while it is well. */
const leastOverRedis = 0.95;

/** `meanwhile`: what happened while people talked. */
export function reportOf(report: DrillReport, meanwhile = "Redis and instances failed"): Report {
  const { failures, phases, audit, clients, said, stored, ends, presence } = report;
  const { counts } = audit;
  const rows = phases.map((phase) => ({ ...phase, fault: phase.name, requests: phase.said }));
  const ways = Object.entries(ends).map(([reason, times]) => `${times} × ${reason}`);
  const wrong = Object.entries(wrongs).map(([name, words]) => [count(counts[name as keyof typeof counts]), words]);
  const well = phases.filter(({ healthy }) => healthy);
  const reached = Math.min(...well.map(({ reached }) => reached));
  const refused = phases.reduce((sum, { errors }) => sum + errors, 0);
  const none = (name: string, value: number) => ({ name, value, unit: "", target: 0, atMost: true });
  return {
    kind: "drill",
    name: "realtime",
    what: `${clients} people on ${reached} instances said ${said} messages while ${meanwhile}; ${stored} are stored with the lines of who came and went, ${audit.shown} were shown, ${refused} could not be taken and their speakers were told so, ${audit.doubted} were under way when a connection broke and are not stored; connections that ended and came back: ${ways.join(", ") || "none"}`,
    tables: [
      faultTable(rows, [
        ["said as it began", ({ saidAtBegin }) => count(saidAtBegin)],
        ["and as it ended", ({ saidAtEnd }) => count(saidAtEnd)],
        ["over Redis", ({ overRedis }) => count(overRedis)],
        ["over MongoDB", ({ overMongo }) => count(overMongo)],
        ["shown after, p50", ({ p50 }) => ms(p50)],
        ["p99", ({ p99 }) => ms(p99)],
      ]),
      { title: "", head: ["times", ""], rows: wrong },
      {
        title: "who is there, as each instance answers and each client was told, is who is connected",
        head: ["", "within"],
        rows: presence.map(({ when, ms: took }) => [when, ms(took, 0)]),
      },
    ],
    figures: [
      { name: "instances", value: reached, unit: "", target: 3 },
      none(
        "messages missing, lost or twice",
        counts.missing + counts.lost + counts.twice + counts.strange + counts.unsaid,
      ),
      none("histories out of order", counts.disorder),
      none("people asked to log in again", counts.refused),
      {
        name: "who is there is told right within",
        value: Math.max(...presence.map(({ ms: took }) => took ?? Number.NaN)) / 1_000,
        unit: " s",
        target: presenceWithinMs / 1_000,
        atMost: true,
      },
    ],
    healthy: well.map(({ overRedis, said: most }, n) => ({
      phase: `well, ${n + 1}`,
      share: Math.min(1, overRedis / (most * (instances - 1))),
      least: leastOverRedis,
    })),
    failures: failures.length > 0 ? [...failures, ...audit.examples] : [],
  };
}
