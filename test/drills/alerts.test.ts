import { afterAll, describe, expect, it } from "vitest";
import { printed } from "../../bench/support/report.ts";
import { burdens, faults } from "../../drills/alerts/acts.ts";
import { performAlertDrill, reportOf } from "../../drills/alerts/perform.ts";
import { hurried, prometheusInstalled } from "../../drills/alerts/prometheus.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { long } from "../support/long.ts";

if (!prometheusInstalled) console.warn("prometheus is not installed: no alert is seen to fire, nor to be ended");

describe("the alerts", () => {
  const url = mongoUrl("drill-alerts");
  afterAll(() => dropDatabase(url));

  it.runIf(prometheusInstalled && long)(
    "fire for their faults, and end by the runbook",
    { timeout: 600_000 },
    async () => {
      const report = await performAlertDrill({
        mongoUrl: url,
        play: [...faults, ...burdens],
        short: false,
        // Others use the same processors; the drill itself holds it to 2 s.
        namedWithinMs: 10_000,
        patienceMs: 60_000,
        say: () => {},
      });
      expect(report.ok, printed(reportOf("alerts", report)).join("\n")).toBe(true);
      expect(report.rows.length).toBeGreaterThan(3);
    },
  );

  it("are drilled with a minute as a second, and otherwise as they are", () => {
    expect(hurried("expr: rate(a[5m]) > 0.1\nfor: 2m\nfor: 30s\nexpr: b[1m]")).toBe(
      "expr: rate(a[5000ms]) > 0.1\nfor: 2000ms\nfor: 500ms\nexpr: b[2000ms]",
    );
  });
});
