import { count, ms, percent, type Report } from "../../bench/support/report.ts";
import { faultTable, noticing } from "../support/faults.ts";
import { type CacheDrillReport, faults } from "./perform.ts";

export function reportOf({ rows, through, past, leastFromCache, failures }: CacheDrillReport): Report {
  const sum = (of: "checked" | "stale" | "errors" | "requests") => rows.reduce((total, row) => total + row[of], 0);
  const share = ({ hits, requests }: (typeof rows)[number]) => (requests === 0 ? 0 : hits / requests);
  const none = (name: string, value: number) => ({ name, value, unit: "", target: 0, atMost: true });
  return {
    kind: "drill",
    name: "cache",
    what: `readers and writers on 2 servers while Redis suffers in ${faults.length} ways (graces at a tenth of what is shipped); ${through} writes through the servers, ${past} straight into MongoDB; ${sum("checked")} of ${sum("requests")} answers compared with what MongoDB had`,
    tables: [
      faultTable(rows, [
        ["all cached again", ({ cachedMs }) => ms(cachedMs, 0)],
        ["compared", ({ checked }) => count(checked)],
        ["from the caches", (row) => percent(100 * share(row), 1)],
      ]),
    ],
    figures: [
      none("wrong answers", sum("stale")),
      { name: "answers compared with MongoDB", value: sum("checked"), unit: "" },
      none("errors", sum("errors")),
      ...noticing(rows),
    ],
    healthy: rows
      .filter(({ healthy }) => healthy)
      .map((row, n) => ({ phase: `well, ${n + 1}`, share: share(row), least: leastFromCache })),
    failures,
  };
}
