import type { Report } from "../../bench/support/report.ts";
import { faultTable } from "../support/faults.ts";
import type { Row, TopologyReport } from "./perform.ts";

const ms = (time: number | undefined) => (time === undefined ? "" : `${time.toFixed(0)} ms`);

/** How long after the new master writes went on: nothing when they had not stopped. */
const afterMaster = ({ gap, promotedMs }: Row) =>
  gap === undefined || promotedMs === undefined ? [] : [Math.max(0, gap.endedMs - promotedMs)];

export function reportOf(name: string, what: string, { rows, sessions, failures }: TopologyReport): Report {
  const told = rows.map((row) => ({ ...row, recoverMs: row.interrupts ? row.gap?.endedMs : undefined }));
  const after = rows.filter(({ interrupts }) => interrupts).flatMap(afterMaster);
  const gaps = rows.filter(({ interrupts }) => interrupts).map(({ gap }) => (gap?.ms ?? 0) / 1_000);
  const sum = (of: "lost" | "revived" | "stale") => rows.reduce((total, row) => total + row[of], 0);
  const most = (figure: string, value: number, unit: string, target: number) =>
    ({ name: figure, value, unit, target, atMost: true }) as const;
  return {
    kind: "drill",
    name,
    what: `${what}; people log in and out at both, and who has logged out goes on asking; ${sessions} sessions looked at one by one in the end`,
    tables: [
      faultTable(told, [
        ["new master", ({ promotedMs }) => ms(promotedMs)],
        ["without an accepted write", ({ gap }) => ms(gap?.ms)],
      ]),
    ],
    figures: [
      ...(after.length === 0 ? [] : [most("writes again after a new master", Math.max(...after), " ms", 2_000)]),
      ...(gaps.length === 0 ? [] : [most("without an accepted write", Math.max(...gaps), " s", 6)]),
      most("lost", sum("lost"), "", 0),
      most("revived", sum("revived"), "", 0),
      most("stale", sum("stale"), "", 0),
    ],
    healthy: rows.map(({ fault, share }) => ({
      phase: fault === "none" ? "nothing happens" : `after: ${fault}`,
      share,
      least: 0.95,
    })),
    failures: after.length === 0 ? [...failures, "no writes after a new master were seen"] : failures,
  };
}
