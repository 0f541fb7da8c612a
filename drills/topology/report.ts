import { ms, type Report } from "../../bench/support/report.ts";
import { faultTable } from "../support/faults.ts";
import type { Row, TopologyReport } from "./perform.ts";
import { givenUpMs } from "./writing.ts";

/** How long after the new master writes went on; what was not seen took at least as long as it was waited for. */
const afterMaster = ({ gap, promotedMs }: Row) =>
  gap && promotedMs !== undefined ? gap.againMs - promotedMs : givenUpMs;

export function reportOf(name: string, what: string, { rows, sessions, failures }: TopologyReport): Report {
  const told = rows.map((row) => ({ ...row, recoverMs: row.interrupts ? row.gap?.againMs : undefined }));
  const interrupted = rows.filter(({ interrupts }) => interrupts);
  const after = interrupted.map(afterMaster);
  const gaps = interrupted.map(({ gap }) => (gap?.ms ?? givenUpMs) / 1_000);
  const sum = (of: "lost" | "revived" | "stale") => rows.reduce((total, row) => total + row[of], 0);
  const most = (figure: string, value: number, unit: string, target: number) =>
    ({ name: figure, value, unit, target, atMost: true }) as const;
  return {
    kind: "drill",
    name,
    what: `${what}; people log in and out at both, and who has logged out goes on asking; ${sessions} sessions looked at one by one in the end`,
    tables: [
      faultTable(told, [
        ["new master", ({ promotedMs }) => ms(promotedMs, 0)],
        ["without an accepted write", ({ gap }) => ms(gap?.ms, 0)],
      ]),
    ],
    figures: [
      most("writes again after a new master", Math.max(...after), " ms", 2_000),
      most("without an accepted write", Math.max(...gaps), " s", 6),
      most("lost", sum("lost"), "", 0),
      most("revived", sum("revived"), "", 0),
      most("stale", sum("stale"), "", 0),
    ],
    healthy: rows.map(({ fault, share }) => ({
      phase: fault === "none" ? "nothing happens" : `after: ${fault}`,
      share,
      least: 0.95,
    })),
    failures,
  };
}
