import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CacheEvents } from "../../src/cache/types.ts";
import { createEvents } from "../../src/kernel/events.ts";
import { cacheMetrics } from "../../src/ops/metrics/caches.ts";

describe("the metrics of the caches", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  it("forget a stale answer five minutes after the last one, so that its alert ends", async () => {
    const registry = new Registry();
    const events = createEvents<CacheEvents>();
    const end = cacheMetrics({ events, all: new Map([["users", { on: true, doubt: undefined }]]) })(registry);
    const ratio = async () => /^chat_cache_stale_ratio\{cache="users"\} (.*)$/m.exec(await registry.metrics())?.[1];
    const audit = (stale: boolean) => events.emit("audit", { cache: "users", key: "", stale, ageMs: 40 });
    expect(await ratio()).toBe("0");
    for (const stale of [false, false, false, true]) audit(stale);
    expect(await ratio()).toBe("0.25");
    vi.advanceTimersByTime(4 * 60_000);
    for (let round = 0; round < 6; round++) audit(false);
    expect(await ratio()).toBe("0.1");
    vi.advanceTimersByTime(2 * 60_000);
    expect(await ratio()).toBe("0");
    end();
  });
});
