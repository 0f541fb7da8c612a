import { count, percent, type Report } from "../../bench/support/report.ts";
import { faultTable, noticing } from "../support/faults.ts";
import type { DrillReport } from "./perform.ts";
import { faults } from "./tally.ts";

const words = {
  loggedOut: "logouts that nobody asked for",
  revived: "logouts that came back to life",
  lost: "writes that were lost",
  failed: "answers of 500 and above, or none",
  odd: "other answers that were not to be expected",
} as const;

/** `meanwhile`: what happened to them. */
export function reportOf(report: DrillReport, meanwhile = "while the dial turns and Redis suffers"): Report {
  const { phases, tally, sessions, audited, leastFromRedis, failures, seconds } = report;
  const done = [
    `${tally.reads} reads, ${tally.loginsAgain} logins over a session, ${tally.oldWrites} writes by the old server,`,
    `${tally.logouts} logouts, ${tally.oldLogouts} logouts at the old server, ${tally.races} logouts while it was writing`,
  ];
  const shares = phases.flatMap(({ fault, percent, reads }) =>
    reads && percent > 0 ? [{ phase: `${fault} at ${percent} %`, share: reads.share, least: leastFromRedis }] : [],
  );
  return {
    kind: "drill",
    name: "sessions",
    what: `${sessions} sessions on 3 servers and an old one ${meanwhile} (graces at a tenth of what is shipped), ${tally.requests} requests: ${done.join(" ")}; ${audited} sessions looked at one by one in the end`,
    tables: [
      faultTable(phases, [
        ["looks that were not well", ({ unwell }) => count(unwell)],
        ["dial", (row) => percent(row.percent)],
        ["from Redis", (row) => percent(row.reads && row.percent > 0 ? 100 * row.reads.share : undefined, 1)],
      ]),
      { title: "", head: ["", "", "times"], rows: faults.map((fault) => [fault, words[fault], count(tally[fault])]) },
    ],
    figures: [
      ...faults.map((name) => ({ name, value: tally[name], unit: "", target: 0, atMost: true })),
      {
        name: "of the bucket's reads from Redis",
        value: shares.length === 0 ? 0 : 100 * Math.min(...shares.map(({ share }) => share)),
        unit: " %",
        target: 100 * leastFromRedis,
      },
      {
        name: "looks that were not well",
        value: phases.reduce((sum, { unwell = 0 }) => sum + unwell, 0),
        unit: "",
      },
      // A deployment has no fault of Redis.
      ...(phases.some(({ interrupts }) => interrupts) ? noticing(phases) : []),
      { name: "seconds", value: seconds, unit: " s", target: 180, atMost: true },
    ],
    healthy: shares,
    failures: failures.length > 0 ? [...failures, ...tally.examples] : [],
  };
}
