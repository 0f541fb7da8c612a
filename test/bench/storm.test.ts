import { expect, it } from "vitest";
import { mostPerSecond } from "../../bench/sockets/storm.ts";

it("counts the lists of the worst stretch of a storm, and forgives one that was late", () => {
  const inTurn = [0, 1_000, 2_000, 3_000, 4_000];
  expect(mostPerSecond(inTurn)).toBeLessThan(1);
  expect(mostPerSecond([0, 1_400, 2_000, 3_000])).toBeLessThan(1.1);
  expect(mostPerSecond([0, 50, 100])).toBeGreaterThan(3);
  expect(mostPerSecond([...inTurn, 60_000, 60_050, 60_100])).toBeGreaterThan(3);
  expect(mostPerSecond(inTurn.map((at) => at / 2))).toBeGreaterThan(1.5);
  expect(mostPerSecond([0])).toBeNaN();
});
