import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { root } from "../support/files.ts";

export interface AlertRule {
  file: string;
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface AlertCase {
  alert: string;
  fires: boolean;
  metrics: string;
}

export const alertsFolder = join(root, "monitoring/alerts");
export const ruleFiles = readdirSync(alertsFolder).filter((file) => file.endsWith(".yml"));

/** Every alert of the rule files. */
export function alertRules(): AlertRule[] {
  return ruleFiles.flatMap((file) => {
    const { groups } = parse(readFileSync(join(alertsFolder, file), "utf8")) as {
      groups: { rules: Omit<AlertRule, "file">[] }[];
    };
    return groups.flatMap(({ rules }) => rules.map((rule) => ({ file, ...rule })));
  });
}

/** What the tests beside them expect. */
export function alertCases(): AlertCase[] {
  return ruleFiles.flatMap((file) => {
    const { tests } = parse(readFileSync(join(alertsFolder, "tests", file), "utf8")) as {
      tests: { input_series: { series: string }[]; alert_rule_test: { alertname: string; exp_alerts: object[] }[] }[];
    };
    return tests.flatMap(({ alert_rule_test, input_series }) =>
      alert_rule_test.map(({ alertname, exp_alerts }) => ({
        alert: alertname,
        fires: exp_alerts.length > 0,
        metrics: input_series.map(({ series }) => series).join("\n"),
      })),
    );
  });
}
