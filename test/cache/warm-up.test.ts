import { expect, it } from "vitest";
import type { CacheEvents } from "../../src/cache/types.ts";
import { keepWarm } from "../../src/cache/warm-up.ts";
import { createEvents } from "../../src/kernel/events.ts";
import { pause } from "../../src/kernel/pause.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

it("a list that makes Redis doubtful each time it is read is not filled again and again", async () => {
  const events = createEvents<CacheEvents>();
  const stop = new AbortController();
  const trusted = () => events.emit("trust", { from: "redis", reason: "trusted" });
  const took: number[] = [];
  const cache = {
    name: "users",
    on: true,
    doubt: undefined,
    stamp: async () => undefined,
    async read() {
      const begun = performance.now();
      await pause(50, stop.signal);
      took.push(performance.now() - begun);
      trusted();
      return { value: [], source: "redis" } as never;
    },
  };
  const steps = [{ cache, keys: async () => ["all"] }];
  keepWarm({ events, steps, signal: stop.signal, log: createRecorder(), spreadMs: 1 });
  const begun = performance.now();
  trusted();
  await until(() => took.length === 3, { timeoutMs: 20_000 });
  const elapsed = performance.now() - begun;
  stop.abort();
  expect(took.reduce((sum, one) => sum + one, 0) / elapsed).toBeLessThan(0.12);
});

it("what Redis has already is not read again", async () => {
  const events = createEvents<CacheEvents>();
  const stop = new AbortController();
  const read: string[] = [];
  const cache = {
    name: "users",
    on: true,
    doubt: undefined,
    stamp: async (key: string) => (key === "there" ? { version: "1", ttlMs: 1_000 } : undefined),
    async read(key: string) {
      read.push(key);
      return { value: [], source: "redis" } as never;
    },
  };
  const steps = [{ cache, keys: async () => ["there", "missing"] }];
  keepWarm({ events, steps, signal: stop.signal, log: createRecorder(), spreadMs: 1 });
  events.emit("trust", { from: "redis", reason: "trusted" });
  await until(() => read.length > 0);
  stop.abort();
  expect(read).toEqual(["missing"]);
});
