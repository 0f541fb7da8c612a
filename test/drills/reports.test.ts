import { describe, expect, it } from "vitest";
import { count, reached } from "../../bench/support/report.ts";
import { reportOf as alertReport } from "../../drills/alerts/perform.ts";
import { faultTable, noticing } from "../../drills/support/faults.ts";
import type { Row } from "../../drills/topology/perform.ts";
import { reportOf } from "../../drills/topology/report.ts";

const seen = { requests: 1, errors: 0, lost: 0, revived: 0, stale: 0, slowestMs: 5 };
const row = (more: Partial<Row>): Row => ({
  ...seen,
  ...{ fault: "master frozen", interrupts: true, seconds: 1, detectMs: 300, promotedMs: 4_000, share: 1 },
  gap: { ms: 4_900, againMs: 5_000 },
  ...more,
});

describe("the table of faults", () => {
  it("leaves out a column that says nothing of any fault, and keeps numbers as numbers", () => {
    const table = faultTable(
      [
        { fault: "one", detectMs: 12.3 },
        { fault: "other", recoverMs: undefined },
      ],
      [["more", ({ fault }) => count(fault === "one" ? 1 : undefined)]],
    );
    expect(table.head).toEqual(["fault", "time to detect", "more"]);
    expect(table.rows).toEqual([
      ["one", { value: 12.3, unit: " ms", digits: 0 }, { value: 1, unit: "" }],
      ["other", "–", "–"],
    ]);
  });
});

describe("the worst of the times of the faults", () => {
  const worst = (...rows: { interrupts?: boolean; detectMs?: number; recoverMs?: number }[]) =>
    noticing(rows.map((row) => ({ fault: "one", ...row }))).map(({ value }) => value);

  it("leaves out what nobody had to notice, and is no number when one was not noticed or never over", () => {
    const outage = { interrupts: true, detectMs: 100, recoverMs: 200 };
    expect(worst(outage, { interrupts: true, detectMs: 300, recoverMs: 100 }, {})).toEqual([300, 200]);
    expect(worst(outage, { detectMs: 5_000, recoverMs: 900 })).toEqual([100, 900]);
    expect(worst(outage, { detectMs: 100 })).toEqual([100, Number.NaN]);
    expect(worst(outage, { interrupts: true })).toEqual([Number.NaN, Number.NaN]);
    expect(worst({})).toEqual([Number.NaN, Number.NaN]);
  });
});

describe("the drill of a lost master", () => {
  const figures = (rows: readonly Row[]) =>
    reportOf("cluster", "", { ok: true, rows, sessions: 1, failures: [] }).figures;
  const of = (rows: readonly Row[], name: string) => figures(rows).find((one) => one.name === name);
  const [after, without] = ["writes again after a new master", "without an accepted write"];

  it("counts from the new master until writes went on, of what interrupts alone", () => {
    const calm = row({ interrupts: false, promotedMs: undefined, gap: { ms: 9_000, againMs: 9_000 } });
    expect(of([row({}), calm], after)?.value).toBe(1_000);
    expect(of([row({}), calm], without)?.value).toBe(4.9);
  });

  it("takes what was never seen for as long as it was waited for", () => {
    for (const one of [row({ gap: undefined }), row({ promotedMs: undefined })])
      expect(of([row({}), one], after)).toMatchObject({ value: 60_000 });
    const stopped = of([row({}), row({ gap: undefined })], without);
    expect(stopped).toMatchObject({ value: 60 });
    expect(stopped && reached(stopped)).toBe(false);
  });
});

describe("the drill of the alerts", () => {
  it("tells when the console showed a fault, and which commands could not be run", () => {
    const { tables, healthy } = alertReport("alerts", {
      ok: true,
      rows: [
        { alert: "A", name: "a fault", namedMs: 10, shownMs: 20, firedMs: 30, endedMs: 40, skipped: [] },
        { alert: "B", name: "another", skipped: [{ line: "mongosh", why: "not installed" }] },
      ],
      calms: [{ act: "redis", share: 0.5 }],
    });
    const heads = ["fault", "time to detect", "time to recover", "alert", "named by the health page"];
    expect(tables[0]?.head).toEqual([...heads, "shown by the console"]);
    expect(tables[1]?.rows).toEqual([["B", "mongosh", "not installed"]]);
    expect(healthy[0]?.share).toBeLessThan(healthy[0]?.least ?? 0);
  });
});
