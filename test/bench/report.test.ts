import { expect, it } from "vitest";
import {
  cellText,
  count,
  doubtOf,
  failuresOf,
  type Judged,
  micro,
  ms,
  percent,
  perSecond,
  printed,
  type Report,
  reached,
} from "../../bench/support/report.ts";

const ratio = { name: "a ratio", unit: "×", value: 2 };
const share = { name: "a share", unit: " %" };
const report: Report = { kind: "bench", name: "example", what: "", tables: [], figures: [], healthy: [], failures: [] };

it("tells at least from at most, and nothing measured from both", () => {
  expect([reached({ ...ratio, target: 1 }), reached({ ...ratio, target: 1, atMost: true })]).toEqual([true, false]);
  const { value } = JSON.parse(JSON.stringify({ value: Number.NaN }));
  for (const nothing of [value, Number.NaN, Number.POSITIVE_INFINITY])
    for (const atMost of [true, false]) expect(reached({ ...ratio, value: nothing, target: 5, atMost })).toBe(false);
});

const isSteady = (figure: Judged) => doubtOf(figure) === undefined;

it("calls unsteady what another run does not show within a quarter", () => {
  const beside = (former: number) => isSteady({ ...ratio, former });
  expect([beside(1.7), beside(2.6), beside(1.5), beside(2.7)]).toEqual([true, true, false, false]);
  expect([isSteady({ ...ratio, value: 0, former: 0 }), isSteady({ ...ratio, value: 1, former: 0 })]).toEqual([
    true,
    false,
  ]);
  expect([doubtOf(ratio), doubtOf({ ...ratio, former: 9 })]).toEqual(["one run", "unsteady"]);
});

it("shows beside a figure what other code gave, where that was not within a quarter", () => {
  const formerWith = "commit b";
  expect(doubtOf({ ...ratio, former: 2.1, formerWith })).toBeUndefined();
  expect(doubtOf({ ...share, value: 98, former: 92.5, formerWith })).toBe("one run, with commit b 92.5 %");
});

it("judges a percentage by what it leaves, and by itself where that is less", () => {
  const beside = (value: number, former: number) => isSteady({ ...share, value, former });
  expect([beside(92.5, 95.9), beside(95, 95.9), beside(50, 70), beside(50, 55)]).toEqual([false, true, false, true]);
  expect([beside(99.9, 99.8), beside(0.1, 0), beside(99, 99.9)]).toEqual([true, true, false]);
  expect([beside(3, 1.57), beside(3.2, 3)]).toEqual([false, true]);
});

it("shows numbers with their units, and a dash for none", () => {
  expect(
    [ms(12.34), ms(2_960.4), ms(0.5, 1), micro(75), count(12_345), percent(98.6), perSecond(20.8)].map(cellText),
  ).toEqual(["12.3 ms", "2,960 ms", "0.5 ms", "75 µs", "12,345", "98.6 %", "20.8/s"]);
  expect([ms(undefined), ms(Number.NaN), "words"].map(cellText)).toEqual(["–", "–", "words"]);
  expect(ms(12.34)).toEqual({ value: 12.34, unit: " ms" });
});

it("tells a failure from a figure that missed its target", () => {
  const figures = [{ ...ratio, target: 3 }];
  expect(printed({ ...report, figures }).at(-1)).toBe("Passed.");
  expect(printed({ ...report, figures }).join("\n")).toContain("MISSED");
  expect(failuresOf({ ...report, healthy: [{ phase: "cold", share: 0 / 0, least: 0.9 }] })).toHaveLength(1);
  const hardly = { phase: "warm", share: 0.5, least: 0.9 };
  expect(printed({ ...report, healthy: [hardly] }).at(-1)).toContain("FAILED: warm: Redis answered 50.0 %");
});
