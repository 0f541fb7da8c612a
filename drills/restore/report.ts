import type { Report } from "../../bench/support/report.ts";
import { faultTable } from "../support/faults.ts";
import { beyond, mostBeyond, mostRto, type Row } from "./judge.ts";
import type { RestoreReport } from "./perform.ts";

const figure = (name: string, value: number, unit: string, target: number) =>
  ({ name, value, unit, target, atMost: true }) as const;

export function reportOf({ rows, shares, failures }: RestoreReport): Report {
  const told = rows.map((row) => ({ ...row, recoverMs: row.rtoSeconds * 1_000 }));
  const sum = (of: "lost" | "revived" | "stale") => rows.reduce((total, row) => total + row[of], 0);
  const took = ({ undone }: Row) =>
    undone.logouts + undone.logins === 0 ? "" : `${undone.logouts} logouts, ${undone.logins} logins`;
  return {
    kind: "drill",
    name: "restore",
    what: "Redis and MongoDB are lost under a chat in use, and restored from a backup after which people have logged out, made and removed channels and talked; then each session, list and history is compared with MongoDB. Only what MongoDB itself was taken back behind is undone",
    tables: [
      faultTable(told, [
        [
          "this store lost",
          ({ rpoSeconds }) => (rpoSeconds === undefined ? "all" : `the last ${rpoSeconds.toFixed(2)} s`),
        ],
        ["age of the backup", ({ ageSeconds }) => (ageSeconds ? `${ageSeconds.toFixed(1)} s` : "")],
        ["undone with MongoDB", took],
      ]),
    ],
    figures: [
      figure("back after", Math.max(...rows.map(({ rtoSeconds }) => rtoSeconds)), " s", mostRto),
      figure("lost beyond the age of the backup", Math.max(...rows.map((row) => beyond(row) ?? 0)), " s", mostBeyond),
      figure("lost sessions", sum("lost"), "", 0),
      figure("logouts that came back to life", sum("revived"), "", 0),
      figure("answers that were not MongoDB's", sum("stale"), "", 0),
    ],
    healthy: shares.map((one) => ({ ...one, least: 0.8 })),
    failures,
  };
}
