import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { store, storedReports, unanswered } from "../../bench/support/conduct.ts";
import { measurementsPage } from "../../bench/support/page.ts";
import { printed, type Report, type Stored } from "../../bench/support/report.ts";
import { targets } from "../../bench/support/targets.ts";
import { filesBelow, root } from "../support/files.ts";

const reports = storedReports(join(root, "docs/measurements"));
const example: Stored = {
  kind: "bench",
  name: "example",
  what: "nothing",
  form: "whole",
  date: "2026-01-01 00:00",
  machine: "one",
  seconds: 1,
  tables: [],
  figures: [{ name: "hit rate", value: 79, unit: " %", target: 80, former: 78 }],
  healthy: [],
  failures: [],
};

const ratio = { name: "a ratio", unit: "×", value: 2 };

describe("the page of measurements", () => {
  it("is what the stored results make", () => {
    expect(readFileSync(join(root, "docs/measurements.md"), "utf8")).toBe(measurementsPage(reports));
  });

  it("asks no bench and no drill that is not there", () => {
    const known = [
      ...filesBelow("bench", ".ts").map((file) => `bench ${file.replace(".ts", "")}`),
      ...filesBelow("drills", ".ts").map((file) => `drill ${file.replace(".ts", "")}`),
    ];
    const asked = Object.values(targets).flatMap((list) => list.map(({ of }) => of));
    expect(asked.filter((of) => !known.includes(of))).toEqual([]);
  });

  it("says what its reports do not have yet, and a run fails that does not measure what is asked of it", () => {
    const page = measurementsPage(reports);
    const asked = Object.values(targets).flat();
    const figures = (of: string) => reports.find(({ kind, name }) => `${kind} ${name}` === of)?.figures ?? [];
    for (const { says, of, figure } of asked) {
      const measured = figures(of).some(({ name }) => name === figure);
      expect(page.includes(`| ${says} | **not measured yet** |`), says).toBe(!measured);
    }
    expect(unanswered({ ...example, name: "login" })).toEqual([
      'docs/measurements.md asks for "logins beside the stock store", which was not measured',
    ]);
    const figure = { ...ratio, name: "logins beside the stock store" };
    expect(unanswered({ ...example, name: "login", figures: [figure] })).toEqual([]);
  });

  it("says plainly what was missed", () => {
    const page = measurementsPage([{ ...example, name: "mixed" }]);
    expect(page).toContain("| hit rate over 80 % | 79 % |  | **MISSED** | `npm run bench -- mixed` |");
  });

  it("calls nothing reached that was not measured, or by a run that failed", () => {
    const rowOf = (report: Stored) =>
      measurementsPage([{ ...report, name: "mixed" }])
        .split("\n")
        .find((line) => line.startsWith("| an answer under 100 ms"));
    const figure = { name: "an answer, mean", unit: " ms", value: 2 };
    const lost = JSON.parse(JSON.stringify({ ...figure, value: Number.NaN }));
    expect(rowOf({ ...example, figures: [figure] })).toContain("| 2 ms |  | reached, one run |");
    expect(rowOf({ ...example, figures: [lost] })).toContain("| – |  | **MISSED**, one run |");
    expect(rowOf({ ...example, figures: [figure], failures: ["it broke"] })).toContain("| **FAILED run**, one run |");
    const healthy = [{ phase: "warm", share: 0.5, least: 0.9 }];
    expect(rowOf({ ...example, figures: [figure], healthy })).toContain("| **FAILED run**, one run |");
  });

  it("asks a short run for no more than it can answer, nor does what is printed of it", () => {
    const figures = [{ name: "connections", unit: "", value: 2_000, target: 8_000 }];
    const how = { seconds: 1, code: "a", databases: "Redis 7" };
    const folder = mkdtempSync(join(tmpdir(), "sluice-measurements-"));
    const places = { where: folder, beside: join(folder, "aside") };
    const runs = (["short", "whole"] as const).map(
      (form) => store({ ...example, name: "sockets", figures }, { ...how, form }, places).run,
    );
    rmSync(folder, { recursive: true });
    const rows = runs.map((run) => measurementsPage([run]).match(/^\| 8,000 connections .*$/m)?.[0]);
    const command = "`npm run bench -- sockets`";
    expect(rows).toEqual([
      expect.stringContaining(`| 2,000 |  | needs the whole form: ${command} | \`npm run bench -- sockets --short\` |`),
      expect.stringContaining(`| 2,000 |  | **MISSED**, one run | ${command} |`),
    ]);
    expect(runs.map((run) => printed(run).some((line) => line.includes("MISSED")))).toEqual([false, true]);
  });

  it("says of how many answers none was wrong", () => {
    const figures = [
      { name: "wrong answers", unit: "", value: 0 },
      { name: "answers compared with MongoDB", unit: "", value: 1_418 },
    ];
    expect(measurementsPage([{ ...example, name: "cache", figures }])).toContain("| 0 of 1,418 |");
  });

  it("tells the machines of the runs, where they are several, and the databases", () => {
    const other = { ...example, name: "cache", machine: "two", databases: "Redis 7.0.15, MongoDB 8.0.4", stolen: 12 };
    expect(measurementsPage([example])).not.toContain("on one, ");
    const page = measurementsPage([example, other]);
    expect(page).toContain("2026-01-01 00:00, on one, 1 s: passed");
    expect(page).toContain(
      "2026-01-01 00:00, on two, Redis 7.0.15, MongoDB 8.0.4, 12 % of the processors' time was taken by other machines, 1 s: passed",
    );
  });

  it("shows numbers of tables with their units", () => {
    const rows = [["a side", { value: 1_234.5, unit: " ms" }, { value: 0.5, unit: " %", digits: 1 }, "–"]];
    const tables = [{ title: "", head: ["side", "took", "lost", ""], rows }];
    expect(measurementsPage([{ ...example, tables }])).toContain("| a side | 1,235 ms | 0.5 % | – |");
  });
});

describe("the stored results", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-measurements-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  interface More {
    code?: string;
    databases?: string;
    whole?: boolean;
    failures?: string[];
  }
  const how = { seconds: 1, code: "a", databases: "Redis 7" };
  const keep = (report: Partial<Report>, form: Stored["form"], more: Omit<More, "failures"> = {}) =>
    store({ ...example, ...report }, { ...how, form, ...more }, { where: folder, beside: join(folder, "aside") }).run;
  const run = (value: number, form: Stored["form"], { failures = [], ...more }: More = {}) =>
    keep({ figures: [{ ...ratio, value }], failures }, form, more).figures[0]?.former;
  const kept = (from = folder) => storedReports(from).map(({ form, figures }) => [form, figures[0]?.value]);

  it("have beside them the run before, if that was as long, and a short one does not take the place of a whole one", () => {
    expect([run(3, "short"), run(4, "short"), run(2, "whole"), run(1, "whole"), run(5, "short")]).toEqual([
      undefined,
      3,
      undefined,
      2,
      undefined,
    ]);
    expect(kept()).toEqual([["whole", 1]]);
    expect(kept(join(folder, "aside"))).toEqual([["short", 5]]);
    expect(run(9, "whole", { whole: false })).toBe(1);
    expect(kept()).toEqual([["whole", 1]]);
    expect(kept(join(folder, "aside"))).toEqual([["whole", 9]]);
    run(0, "short", { failures: ["it broke"] });
    expect(kept()).toEqual([["short", 0]]);
  });

  it("say what the run before was measured with, unless that was the same code, in a commit, and the same databases", () => {
    run(3, "whole");
    const beside = (value: number, more: More) => {
      const [figure] = keep({ figures: [{ ...ratio, value }] }, "whole", more).figures;
      return [figure?.former, figure?.formerWith];
    };
    expect([
      beside(5, { code: "b" }),
      beside(9, { code: "b" }),
      beside(9, { code: "c+" }),
      beside(20, { code: "c+" }),
      beside(3, { code: "d", databases: "Redis 8" }),
      beside(9, { code: "d" }),
    ]).toEqual([
      [3, "commit a"],
      [5, undefined],
      [9, "commit b"],
      [9, "commit c+"],
      [20, "commit c+, Redis 7"],
      [3, "Redis 8"],
    ]);
  });

  it("of a run that came to nothing are those of the run before, which says so", () => {
    run(3, "whole");
    const [before] = storedReports(folder);
    const crashed = { what: "no result", figures: [], failures: ["it could not be run to its end: no Redis"] };
    expect(keep(crashed, "short", { code: "b" }).figures).toEqual([]);
    const [after] = storedReports(folder);
    expect(after).toEqual({
      ...before,
      failures: [expect.stringMatching(/, commit b: it could not be .*: no Redis$/)],
    });
    expect(run(3.1, "whole")).toBe(3);
    expect(storedReports(folder)[0]?.failures).toEqual([]);
  });

  it("keep the rounds, each list in one line, and words as they are", () => {
    const rounds = { ours: [1, 2.5], other: [3, 4] };
    const failures = ["[ a,  b ]", 'and "{"'];
    keep({ figures: [{ ...ratio, rounds }], failures }, "whole");
    expect(storedReports(folder)[0]).toMatchObject({ figures: [{ rounds }], failures });
    expect(readFileSync(join(folder, "bench-example.json"), "utf8")).toContain('"ours": [ 1, 2.5 ]');
  });
});
