import { afterAll, describe, expect, it } from "vitest";
import { printed } from "../../bench/support/report.ts";
import { drillEnvironment, performDrill } from "../../drills/sessions/perform.ts";
import { shortPlan } from "../../drills/sessions/plan.ts";
import { reportOf } from "../../drills/sessions/report.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";
import { createRecorder } from "../support/recorder.ts";

describe("sessions on their way to Redis and back", () => {
  const url = mongoUrl("drill-sessions");
  afterAll(() => dropDatabase(url));

  it.runIf(long)(
    "are not lost, revived or mixed up while Redis freezes and forgets",
    { timeout: 300_000 },
    async () => {
      const log = createRecorder();
      const report = await performDrill({
        mongoUrl: url,
        plan: shortPlan({ healthySeconds: 1.5, faultSeconds: 0.5 }),
        sessions: 300,
        rate: 40,
        graceMs: 2_500,
        eventful: 3,
        leastFromRedis: 0.9,
        looksAgain: 8,
        // Other tests use the same processors: an answer may take a while, and is an answer all the same.
        env: {
          ...drillEnvironment,
          INSTANCE_REPORT: "1s",
          REDIS_DEADLINE: "400ms",
          REDIS_REQUEST_BUDGET: "800ms",
          REDIS_WATCHDOG: "600ms",
          MONGODB_TIMEOUT: "15s",
          REQUEST_TIMEOUT: "20s",
          SESSION_STEP_DOWN: "off",
        },
        log,
        say: () => {},
      });
      expect(report.failures, `${printed(reportOf(report)).join("\n")}\n${JSON.stringify(log.lines)}`).toEqual([]);
      const { logouts, oldLogouts, oldWrites, loginsAgain, races } = report.tally;
      expect(Math.min(logouts + oldLogouts + races, oldWrites, loginsAgain)).toBeGreaterThan(0);
      expect(report.audited).toBe(300);
    },
  );
});
