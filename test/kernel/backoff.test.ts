import { describe, expect, it } from "vitest";
import { createBackoff } from "../../src/kernel/backoff.ts";

describe("backoff", () => {
  it("doubles its bound up to the most, and begins anew after a reset", () => {
    const backoff = createBackoff({ baseMs: 50, maxMs: 300, random: () => 1 });
    expect(Array.from({ length: 5 }, backoff.next)).toEqual([50, 100, 200, 300, 300]);
    backoff.reset();
    expect(backoff.next()).toBe(50);
  });

  it("spreads over the whole range, from nothing to the bound", () => {
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 1_000 });
    const pauses = Array.from({ length: 1_000 }, backoff.next);
    expect(Math.min(...pauses)).toBeLessThan(50);
    expect(Math.max(...pauses)).toBeGreaterThan(950);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
  });
});
