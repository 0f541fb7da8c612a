import { afterEach, expect, it, vi } from "vitest";
import { createPending } from "../../src/realtime/presence/pending.ts";

afterEach(() => void vi.useRealTimers());

it("says that somebody is there who came back while Redis was out, and their leaving was on its way", () => {
  const pending = createPending({ guess: true, certain: () => false, othersHave: () => false, longestMs: 4_000 });
  void pending.add("bob", "member Bob");
  pending.take(10);
  pending.acknowledge("1");
  pending.remove("bob");
  expect(pending.take(10).map(([member, { add }]) => [member, add])).toEqual([["bob", false]]);
  void pending.add("bob", "member Bob");
  pending.withoutRedis(true, "bob");
  expect(pending.plan([], false, 0).map(([member, { add }]) => [member, add])).toEqual([["bob", true]]);
});

it("asks again and again, and less and less often, whether somebody is gone whom nobody can tell of", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const pending = createPending({ guess: true, certain: () => false, othersHave: () => false, longestMs: 500 });
  void pending.add("bob", "member Bob");
  pending.take(10);
  pending.acknowledge("1");
  pending.remove("bob");
  const waits: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    pending.take(10);
    expect(pending.acknowledge("2")).toBe(false);
    const asked = performance.now();
    while (!pending.due()) vi.advanceTimersByTime(50);
    waits.push(performance.now() - asked);
  }
  expect(waits).toEqual([100, 200, 400, 500, 500]);
});
