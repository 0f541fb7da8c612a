import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { store, storedReports } from "../../bench/support/conduct.ts";
import { measurementsPage } from "../../bench/support/page.ts";
import { printed, reached, type Stored, unsteady } from "../../bench/support/report.ts";
import { median } from "../../bench/support/sums.ts";
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

  it("asks for figures that their reports have", () => {
    const missing = Object.values(targets)
      .flat()
      .filter(({ of, figure }) => {
        const report = reports.find(({ kind, name }) => `${kind} ${name}` === of);
        return report && !report.figures.some(({ name }) => name === figure);
      });
    expect(missing).toEqual([]);
  });

  it("says plainly what was missed", () => {
    const page = measurementsPage([{ ...example, name: "mixed" }]);
    expect(page).toContain("| hit rate over 80 % | 79 % |  | **MISSED** | `npm run bench -- mixed` |");
    expect(page).toContain("not measured yet");
  });

  it("marks what another run does not show again", () => {
    const ratio = { name: "a ratio", unit: "×", value: 2 };
    expect([unsteady(ratio), unsteady({ ...ratio, former: 1.7 }), unsteady({ ...ratio, former: 1.5 })]).toEqual([
      undefined,
      false,
      true,
    ]);
  });

  it("compares a run with the one before it, if that was as long, and keeps a whole one when a short one comes", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-measurements-"));
    try {
      const run = (
        value: number,
        form: Stored["form"],
        more: { code?: string; whole?: boolean; failures?: string[] } = {},
      ) => {
        const { failures = [], ...how } = more;
        const report = { ...example, figures: [{ name: "a ratio", unit: "×", value }], failures };
        return store(report, { form, seconds: 1, code: "a", ...how }, folder).figures[0]?.former;
      };
      expect([run(3, "short"), run(4, "short"), run(2, "whole"), run(1, "whole"), run(5, "short")]).toEqual([
        undefined,
        3,
        undefined,
        2,
        undefined,
      ]);
      const kept = () => storedReports(folder).map(({ form, figures }) => [form, figures[0]?.value]);
      expect(kept()).toEqual([["whole", 1]]);
      // Of other code, or of code that is in no commit, only what is confirmed.
      expect([
        run(3, "whole", { code: "b" }),
        run(3.1, "whole", { code: "c" }),
        run(9, "whole", { code: "c+" }),
      ]).toEqual([undefined, 3, undefined]);
      expect(run(10, "whole", { code: "c+", whole: false })).toBe(9);
      expect(kept()).toEqual([["whole", 9]]);
      run(0, "short", { failures: ["it broke"] });
      expect(kept()).toEqual([["short", 0]]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("takes the middle of the rounds, between two where they are even", () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([5])]).toEqual([2, 2.5, 5]);
  });

  it("tells at least from at most, and a failure from a figure", () => {
    expect(reached({ name: "", unit: "", value: 2, target: 1 })).toBe(true);
    expect(reached({ name: "", unit: "", value: 2, target: 1, atMost: true })).toBe(false);
    expect(printed(example).at(-1)).toBe("Passed.");
    expect(printed({ ...example, healthy: [{ phase: "cold", share: 0 / 0, least: 0.9 }] }).at(-1)).toContain("FAILED");
    const hardly = { phase: "warm", share: 0.5, least: 0.9 };
    expect(printed({ ...example, healthy: [hardly] }).at(-1)).toContain("FAILED: warm: Redis answered 50.0 %");
  });
});
