import { describe, expect, it } from "vitest";
import { createSightings, createWindow } from "../../../src/sessions/dial/window.ts";

describe("a sliding window of sums", () => {
  let now = 0;
  const fresh = () => {
    now = 0;
    return createWindow<"a" | "b">(1_000, 10, () => now);
  };

  it("counts by name and forgets what is older than itself", () => {
    const window = fresh();
    window.add("a");
    window.add("b");
    now = 500;
    window.add("a");
    expect([window.sum("a"), window.sum("b")]).toEqual([2, 1]);
    now = 999;
    expect(window.sum("a")).toBe(2);
    now = 1_100;
    expect([window.sum("a"), window.sum("b")]).toEqual([1, 0]);
    now = 1_600;
    expect(window.sum("a")).toBe(0);
  });

  it("is empty after a long silence, and when it is cleared", () => {
    const window = fresh();
    window.add("a");
    now = 100_000;
    expect(window.sum("a")).toBe(0);
    window.add("a");
    window.clear();
    expect(window.sum("a")).toBe(0);
  });
});

describe("sightings", () => {
  it("counts each name once, while it was seen lately, and never more than there is room for", () => {
    let now = 0;
    const seen = createSightings(1_000, () => now);
    for (const name of ["a", "b", "a"]) seen.see(name);
    expect(seen.size).toBe(2);
    now = 600;
    seen.see("a");
    now = 1_100;
    expect(seen.size).toBe(1);
    for (let n = 0; n < 20_000; n += 1) seen.see(`n${n}`);
    expect(seen.size).toBe(10_000);
    seen.clear();
    expect(seen.size).toBe(0);
  });
});
