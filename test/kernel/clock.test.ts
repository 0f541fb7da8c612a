import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { turnTime } from "../../src/kernel/clock.ts";

it("reads the clock once in a turn of the event loop, however long the turn lasts", async () => {
  const before = performance.now();
  const first = turnTime();
  expect(first).toBeGreaterThanOrEqual(before);
  while (performance.now() < before + 20);
  await Promise.resolve();
  expect(turnTime()).toBe(first);
  await nextTurn();
  expect(turnTime()).toBeGreaterThanOrEqual(before + 20);
});
