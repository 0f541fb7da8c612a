import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createSampler, type Sampler, type SamplerOptions } from "../../src/kernel/sampler.ts";
import { until } from "../support/until.ts";

const clock = { now: () => Date.now() };
const open: Sampler<unknown>[] = [];
afterEach(() => {
  for (const sampler of open.splice(0)) sampler.close();
});

function sample<T>(probe: SamplerOptions<T>["probe"], more: Partial<SamplerOptions<T>> = {}): Sampler<T> {
  const sampler = createSampler({ probe, clock, everyMs: 50, deadlineMs: 100, ...more });
  open.push(sampler);
  return sampler;
}

/** A probe whose answer the test gives. */
function held() {
  const asked: ((value: string) => void)[] = [];
  return { asked, probe: () => new Promise<string>((resolve) => asked.push(resolve)) };
}

describe("a sampler", () => {
  it("knows nothing before the first answer, then the newest one", async () => {
    let n = 0;
    const sampler = sample(() => ++n);
    expect(sampler.latest).toBeUndefined();
    await until(() => sampler.latest?.ok && sampler.latest.value >= 3);
    expect(sampler.latest?.at).toBeGreaterThan(Date.now() - 5_000);
  });

  it("tells that there was no answer in time, and asks nothing more until there is one", async () => {
    const { asked, probe } = held();
    const sampler = sample(probe);
    await until(() => sampler.latest?.ok === false);
    expect(sampler.latest).toMatchObject({ ok: false, reason: "unanswered" });
    expect(asked).toHaveLength(1);
    asked[0]?.("late");
    await until(() => sampler.latest?.ok);
    expect(sampler.latest).toMatchObject({ ok: true, value: "late" });
    await until(() => asked.length === 2);
  });

  it("tells of an error, thrown or rejected, and goes on", async () => {
    let n = 0;
    const sampler = sample(() => {
      n++;
      if (n === 1) throw new Error("thrown");
      if (n === 2) return Promise.reject("no error at all");
      return "well";
    });
    await until(() => sampler.latest?.ok === false);
    expect(sampler.latest).toMatchObject({ reason: "failed" });
    await until(() => sampler.latest?.ok);
  });

  it("does not blame the other side for a pause of this process", async () => {
    // The other side is a process, whose answer waits to be read while this one is busy; what it has said is in a file, too.
    const folder = mkdtempSync(join(tmpdir(), "sluice-sampler-"));
    const file = join(folder, "said");
    const echo = spawn("tee", [file]);
    await until(() => statSync(file));
    const seen = new Set<boolean>();
    let answered = 0;
    const sampler: Sampler<void> = sample(
      async () => {
        const before = answered;
        echo.stdin.write("?");
        const answer = once(echo.stdout, "data");
        // Here the loop comes to its timers before it reads.
        setImmediate(() => {
          const end = performance.now() + 80;
          const waits = () => statSync(file).size <= before && performance.now() < end + 10_000;
          while (performance.now() < end || waits());
        });
        await answer;
        // What it said until this answer came.
        if (sampler.latest) seen.add(sampler.latest.ok);
        answered++;
      },
      { deadlineMs: 30, everyMs: 60 },
    );
    try {
      await until(() => answered >= 10);
    } finally {
      sampler.close();
      echo.stdin.end();
      await once(echo, "close");
      rmSync(folder, { recursive: true });
    }
    expect([...seen]).toEqual([true]);
  });

  it("is silent once closed", async () => {
    const { asked, probe } = held();
    const sampler = sample(probe);
    await until(() => asked.length === 1);
    sampler.close();
    asked[0]?.("late");
    await new Promise((resolve) => setImmediate(resolve));
    expect(sampler.latest).toBeUndefined();
  });
});
