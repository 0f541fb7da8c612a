import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Checks, createChecks } from "../../src/ops/checks.ts";
import { checkAgreement } from "../../src/ops/session-checks.ts";

const clock = { now: () => Date.now() };
let checks: Checks;
let differs: string[];
let end: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  checks = createChecks(clock);
  differs = [];
  end = checkAgreement(checks, async () => [...differs], clock);
});
afterEach(() => {
  end();
  checks.close();
  vi.useRealTimers();
});

async function says(afterMs: number): Promise<readonly unknown[]> {
  await vi.advanceTimersByTimeAsync(afterMs);
  const [entry] = checks.read()["sessions:agreement"] ?? [];
  return [entry?.observedValue, entry?.status, entry?.output];
}

it("names on what the servers differ, and that they agree again", async () => {
  expect(await says(1_500)).toEqual(["full", "pass", undefined]);
  differs = ["revision", "percent"];
  expect(await says(2_500)).toEqual(["revision, percent", "warn", "the servers differ in revision, percent"]);
  differs = ["percent"];
  expect(await says(1_500)).toEqual(["percent", "warn", "the servers differ in percent"]);
  differs = [];
  expect(await says(1_500)).toEqual(["full", "pass", undefined]);
});

it("says nothing while a change comes to all of them", async () => {
  await says(1_500);
  for (const name of ["revision", "percent", "revision"]) {
    differs = [name];
    expect(await says(1_000)).toEqual(["full", "pass", undefined]);
  }
});

it("does not know while nobody says where the servers stand", async () => {
  end();
  checks.close();
  checks = createChecks(clock);
  end = checkAgreement(checks, () => Promise.reject(new Error("no MongoDB")), clock);
  expect(await says(1_500)).toEqual(["unknown", "pass", undefined]);
});
