import { describe, expect, inject, it } from "vitest";
import { failuresOf, printed } from "../../bench/support/report.ts";
import { performRestore } from "../../drills/restore/perform.ts";
import { reportOf as restoreReport } from "../../drills/restore/report.ts";
import { shortPlan } from "../../drills/topology/faults.ts";
import { performTopology } from "../../drills/topology/perform.ts";
import { reportOf } from "../../drills/topology/report.ts";
import { cluster, sentinels, setStage } from "../../drills/topology/stage.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";

/** Other tests use the same processors: an answer of Redis may take a while, and is an answer all the same. */
const patient = { REDIS_DEADLINE: "500ms", REDIS_REQUEST_BUDGET: "1s", REDIS_WATCHDOG: "800ms" };

describe.runIf(long)("the deployment's drills", () => {
  it.each([
    ["sentinels", sentinels],
    ["a cluster", cluster],
  ])("lose no session when a master of %s dies", { timeout: 240_000 }, async (name, begin) => {
    const url = mongoUrl(`drill-${name}`);
    const stage = await setStage(url, begin, patient);
    try {
      const options = { plan: shortPlan, people: 20, rate: 30, mostMs: 30_000, say: () => {} };
      const report = reportOf(name, name, await performTopology(stage, options));
      expect(failuresOf(report), printed(report).join("\n")).toEqual([]);
    } finally {
      await stage.close();
      await dropDatabase(url);
    }
  });

  it("restore what was backed up", { timeout: 240_000 }, async () => {
    const report = restoreReport(await performRestore({ mongo: inject("mongo").url, seconds: 1, say: () => {} }));
    expect(failuresOf(report), printed(report).join("\n")).toEqual([]);
  });
});
