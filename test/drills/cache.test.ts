import { afterAll, describe, expect, it } from "vitest";
import { printed } from "../../bench/support/report.ts";
import { performCacheDrill } from "../../drills/cache/perform.ts";
import { reportOf } from "../../drills/cache/report.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";

describe.runIf(long)("the caches", () => {
  const url = mongoUrl("drill-cache");
  afterAll(() => dropDatabase(url));

  it("give no answer that MongoDB could not have given, while Redis suffers", { timeout: 240_000 }, async () => {
    const report = await performCacheDrill({
      mongoUrl: url,
      people: 60,
      healthySeconds: 2,
      faultSeconds: 1,
      // Other tests use the same processors.
      boundMs: 5_000,
      leastFromCache: 0.6,
      say: () => {},
    });
    expect(report.failures, printed(reportOf(report)).join("\n")).toEqual([]);
    expect(Math.min(report.through, report.past)).toBeGreaterThan(10);
  });
});
