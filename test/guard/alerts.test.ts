import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { alertCases, alertRules, alertsFolder, ruleFiles } from "./alert-rules.ts";
import { runbook } from "./runbook.ts";

const promtool = spawnSync("promtool", ["--version"]).error === undefined;
if (!promtool) console.warn("promtool is not installed: alerts are not checked by it, nor their tests run");

/** The end of the process, and what it said when it went wrong. */
function ran(args: string[]): [number | null, string] {
  const { status, stdout, stderr } = spawnSync("promtool", args, { encoding: "utf8" });
  return [status, status === 0 ? "" : stdout + stderr];
}

describe("the alerts", () => {
  const rules = alertRules();
  const cases = alertCases();
  const pageOf = new Map(runbook().map(({ alert, page }) => [alert, page]));

  it("are all that operators were promised", () => {
    expect(rules.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining([
        ...["RedisUnreachable", "RedisBreakerOpen", "RedisMemoryHigh", "RedisPoolExhausted", "RedisConnectionsHigh"],
        ...["RedisConnectFailures", "RedisSlow", "RedisErrors", "KillSwitchOn", "FallbackActive", "SessionsMissing"],
        ...["RedisMessagesLost"],
        ...["DialDiffers", "CacheMissRateHigh", "CacheHitRateLow", "CacheStale", "RedisSlowerThanMongo"],
        ...["SentinelQuorumLost", "ReplicationBroken"],
      ]),
    );
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it.each(rules)("$alert says how grave it is, what happens, and where the way out is written", (rule) => {
    expect(["critical", "warning"]).toContain(rule.labels.severity);
    expect(rule.annotations.summary).toMatch(/\.$/);
    const page = pageOf.get(rule.alert)?.replace("docs/runbook", "{{ $externalLabels.runbook }}");
    expect(rule.annotations.runbook_url).toBe(`${page}#${rule.alert.toLowerCase()}`);
  });

  it("are linked with the runbook by one setting, which goes no further", () => {
    const shipped = parse(readFileSync(join(alertsFolder, "../prometheus.yml"), "utf8"));
    expect(shipped.global.external_labels).toEqual({ runbook: "docs/runbook" });
    expect(shipped.alerting.alert_relabel_configs).toEqual([{ action: "labeldrop", regex: "runbook" }]);
  });

  it.each(rules)("$alert has a case in which it fires, and one in which it keeps quiet", ({ alert }) => {
    const own = cases.filter((one) => one.alert === alert);
    expect(own.some(({ fires }) => fires)).toBe(true);
    expect(own.some(({ fires }) => !fires)).toBe(true);
  });

  it.runIf(promtool).each(ruleFiles)("promtool accepts %s, and its cases hold", (file) => {
    expect(ran(["check", "rules", join(alertsFolder, file)])).toEqual([0, ""]);
    expect(ran(["test", "rules", join(alertsFolder, "tests", file)])).toEqual([0, ""]);
  });

  it.runIf(promtool)("promtool accepts the configuration", () => {
    expect(ran(["check", "config", "--syntax-only", join(alertsFolder, "../prometheus.yml")])).toEqual([0, ""]);
  });
});
