import { afterAll, describe, expect, it } from "vitest";
import { printed } from "../../bench/support/report.ts";
import { performDrill } from "../../drills/realtime/perform.ts";
import { wholePlan } from "../../drills/realtime/plan.ts";
import { reportOf } from "../../drills/realtime/report.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";

describe.runIf(long)("the chat", () => {
  const url = mongoUrl("drill-realtime");
  afterAll(() => dropDatabase(url));

  it("every client is shown every message of its room once while Redis and instances fail", async () => {
    const report = await performDrill({
      mongoUrl: url,
      plan: wholePlan,
      departs: true,
      clients: 24,
      rooms: 3,
      messages: 800,
      rate: 120,
      // Who has just come back may not be known everywhere yet while Redis is out, and phases are short here.
      mostRefused: 0.1,
      say: () => {},
    });
    const told = reportOf(report);
    const lines = printed(told).join("\n");
    console.log(lines);
    expect(report.failures, lines).toEqual([]);
    // Other tests use the same processors: some of it may come over MongoDB only.
    expect(Math.min(...told.healthy.map(({ share }) => share)), lines).toBeGreaterThan(0.5);
    expect(report.ends["io server disconnect"]).toBeGreaterThan(0);
    expect(report.ends["transport close"]).toBeGreaterThan(0);
    expect(report.audit.shown).toBeGreaterThan(report.said);
  }, 240_000);
});
