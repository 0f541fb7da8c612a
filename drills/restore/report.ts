import { count, type Report, seconds } from "../../bench/support/report.ts";
import { faultTable } from "../support/faults.ts";
import { beyond, mostBeyond, mostRto, type Row } from "./judge.ts";
import type { RestoreReport } from "./perform.ts";

const figure = (name: string, value: number, unit: string, target: number) =>
  ({ name, value, unit, target, atMost: true }) as const;

export function reportOf({ rows, shares, failures }: RestoreReport): Report {
  const told = rows.map((row) => ({ ...row, recoverMs: row.rtoSeconds * 1_000 }));
  const sum = (of: "lost" | "revived" | "stale") => rows.reduce((total, row) => total + row[of], 0);
  /** What went with MongoDB itself. */
  const undone = (of: keyof Row["undone"]) => (row: Row) => count(row.undone[of] || undefined);
  return {
    kind: "drill",
    name: "restore",
    what: "Redis and MongoDB are lost under a chat in use, and restored from a backup after which people have logged out, made and removed channels and talked; then each session, list and history is compared with MongoDB. Only what MongoDB itself was taken back behind is undone",
    tables: [
      faultTable(told, [
        ["lost by this store", ({ rpoSeconds }) => (rpoSeconds === undefined ? "all" : seconds(rpoSeconds, 2))],
        ["age of the backup", ({ ageSeconds }) => seconds(ageSeconds || undefined, 1)],
        ["logouts undone", undone("logouts")],
        ["logins undone", undone("logins")],
      ]),
    ],
    figures: [
      figure("back after", Math.max(...rows.map(({ rtoSeconds }) => rtoSeconds)), " s", mostRto),
      figure("lost beyond the age of the backup", Math.max(...rows.map((row) => beyond(row) ?? 0)), " s", mostBeyond),
      figure("lost sessions", sum("lost"), "", 0),
      figure("logouts that came back to life", sum("revived"), "", 0),
      figure("answers that were not MongoDB's", sum("stale"), "", 0),
    ],
    healthy: shares.map((one) => ({ ...one, least: 0.95 })),
    failures,
  };
}
