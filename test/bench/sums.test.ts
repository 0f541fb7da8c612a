import { expect, it } from "vitest";
import { median, quantile, ratioOf } from "../../bench/support/sums.ts";

it("takes the middle of the rounds, between two where they are even", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([5])]).toEqual([2, 2.5, 5]);
});

it("takes the part of a list in its order, whatever order it came in", () => {
  const list = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1];
  expect([quantile(list, 0), quantile(list, 0.5), quantile(list, 0.9), quantile(list, 1)]).toEqual([1, 6, 10, 10]);
  expect(list[0]).toBe(10);
});

it("makes no number of nothing", () => {
  expect([median([]), quantile([], 0.99)]).toEqual([Number.NaN, Number.NaN]);
});

it("compares rounds in pairs, and keeps them", () => {
  expect(ratioOf([2, 8, 3], [1, 2, 3])).toEqual({
    ...{ value: 2, min: 1, max: 4, ours: 3, other: 2 },
    rounds: { ours: [2, 8, 3], other: [1, 2, 3] },
  });
  expect(() => ratioOf([1, 2], [1])).toThrow("2 of ours, 1 of the other side");
  expect(() => ratioOf([], [])).toThrow("in pairs");
});
