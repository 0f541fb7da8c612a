import type { Report } from "../../bench/support/report.ts";
import { faultTable } from "../support/faults.ts";
import { wrongs } from "./audit.ts";
import { type DrillReport, instances } from "./perform.ts";

export function reportOf({ failures, phases, audit, clients, said, stored, ends }: DrillReport): Report {
  const { counts } = audit;
  const rows = phases.map((phase) => ({ ...phase, fault: phase.name, requests: phase.said }));
  const ways = Object.entries(ends).map(([reason, times]) => `${times} × ${reason}`);
  const wrong = Object.entries(wrongs).map(([name, words]) => [String(counts[name as keyof typeof counts]), words]);
  const none = (name: string, value: number) => ({ name, value, unit: "", target: 0, atMost: true });
  return {
    kind: "drill",
    name: "realtime",
    what: `${clients} people on ${instances} instances said ${said} messages while Redis and instances failed; ${stored} are stored with the lines of who came and went, ${audit.shown} were shown, ${audit.told} could not be taken and their speakers were told so; connections that ended and came back: ${ways.join(", ") || "none"}`,
    tables: [
      faultTable(rows, [
        ["over Redis", ({ overRedis }) => String(overRedis)],
        ["over MongoDB", ({ overMongo }) => String(overMongo)],
        ["shown after, p50", ({ p50 }) => `${p50} ms`],
        ["p99", ({ p99 }) => `${p99} ms`],
      ]),
      { title: "", head: ["times", ""], rows: wrong },
    ],
    figures: [
      { name: "instances", value: instances, unit: "", target: 3 },
      none(
        "messages missing, lost or twice",
        counts.missing + counts.lost + counts.twice + counts.strange + counts.unsaid,
      ),
      none("histories out of order", counts.disorder),
      none("people asked to log in again", counts.refused),
    ],
    // Each message comes to the two other instances; half of that must have come over Redis.
    healthy: rows
      .filter(({ healthy }) => healthy)
      .map(({ overRedis, said: most }, n) => ({
        phase: `well, ${n + 1}`,
        share: Math.min(1, overRedis / (most * 2)),
        least: 0.25,
      })),
    failures: failures.length > 0 ? [...failures, ...audit.examples] : [],
  };
}
