import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createEvents } from "../../src/kernel/events.ts";
import { type Checks, createChecks } from "../../src/ops/checks.ts";
import { checkCompared, checkErrors, checkOutages } from "../../src/ops/recent-checks.ts";
import type { DoorEvents } from "../../src/redis/types.ts";
import type { Comparison, SessionEvents } from "../../src/sessions/types.ts";

const clock = { now: () => Date.now() };
let checks: Checks;

beforeEach(() => {
  vi.useFakeTimers();
  checks = createChecks(clock);
});
afterEach(() => {
  checks.close();
  vi.useRealTimers();
});

async function says(name: string, afterMs = 500): Promise<readonly [unknown, string | undefined]> {
  await vi.advanceTimersByTimeAsync(afterMs);
  const [entry] = checks.read()[name] ?? [];
  return [entry?.observedValue, entry?.output];
}

it("names a Redis that comes and goes until ten minutes have passed", async () => {
  const events = createEvents<DoorEvents>();
  const end = checkOutages(checks, events, clock);
  const lose = () => {
    for (const to of ["down", "recovering", "up"] as const) events.emit("state", { from: "up", to, reason: "", at: 0 });
  };
  lose();
  lose();
  expect(await says("redis:outages")).toEqual([2, undefined]);
  await vi.advanceTimersByTimeAsync(60_000);
  lose();
  expect(await says("redis:outages")).toEqual([3, "Redis was lost 3 times in 10 minutes"]);
  expect(await says("redis:outages", 541_000)).toEqual([1, undefined]);
  expect(await says("redis:outages", 61_000)).toEqual([0, undefined]);
  end();
  lose();
  expect(await says("redis:outages")).toEqual([0, undefined]);
});

it("names copies that are not what MongoDB has, and none that are only old or absent", async () => {
  const events = createEvents<SessionEvents>();
  checkCompared(checks, events, clock);
  const find = (...results: Comparison[]) => {
    for (const result of results) events.emit("compared", { result });
  };
  find("same", "absent", "old epoch", "skipped");
  expect(await says("sessions:shadow")).toEqual([0, undefined]);
  find("different", "extra", "same");
  expect(await says("sessions:shadow")).toEqual([2, "2 times a copy in Redis was not what MongoDB has"]);
  expect(await says("sessions:shadow", 601_000)).toEqual([0, undefined]);
});

it("tells how many of the calls of the last moments brought nothing, whatever came before them", async () => {
  const events = createEvents<DoorEvents>();
  const answers = new Map([["limit.count", 0]]);
  const end = checkErrors(checks, { events, answered: () => answers });
  const live = (answered: number, failed: number) => {
    answers.set("limit.count", (answers.get("limit.count") ?? 0) + answered);
    for (let n = 0; n < failed; n += 1)
      events.emit("unavailable", { name: "limit.count", reason: "deadline", unknownOutcome: true });
  };
  live(100_000, 0);
  expect(await says("redis:errors")).toEqual([0, undefined]);
  live(90, 10);
  expect(await says("redis:errors")).toEqual([0.1, "10 % of the calls to Redis bring nothing"]);
  for (let n = 0; n < 20; n += 1) {
    live(1_000, 0);
    await says("redis:errors");
  }
  expect(await says("redis:errors")).toEqual([0, undefined]);
  end();
});
