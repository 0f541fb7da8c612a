import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dashboardJson } from "../../monitoring/dashboard/dashboard.ts";
import { root } from "../support/files.ts";
import { readPromQl } from "./promql.ts";

interface Panel {
  type: string;
  title: string;
  description?: string;
  targets?: { expr: string }[];
}

const { panels } = JSON.parse(dashboardJson()) as { panels: Panel[] };

describe("the dashboard", () => {
  it("is the one that is provisioned", async () => {
    await expect(dashboardJson(), "npm run docs writes it").toMatchFileSnapshot(
      join(root, "monitoring/grafana/dashboards/sluice.json"),
    );
  });

  it("leads from the dial down to the machine", () => {
    const rows = panels.filter(({ type }) => type === "row").map(({ title }) => title.split(/[:(]/)[0]?.trim());
    expect(rows).toEqual([
      ...["Rollout", "Fallback", "Latency with and without cache", "Each cache", "MongoDB queries saved"],
      ...["Redis server", "Replication and sentinels", "Node"],
    ]);
  });

  it.each(panels.filter(({ type }) => type !== "row"))("says what '$title' shows, and asks for it", (panel) => {
    expect(panel.description).toMatch(/\.$/);
    expect(panel.targets?.length).toBeGreaterThan(0);
    for (const { expr } of panel.targets ?? []) expect(readPromQl(expr).wrong).toEqual([]);
  });

  it("would notice a query that cannot be read", () => {
    expect(readPromQl("sum by (a (rate(x[5m]))").wrong).not.toEqual([]);
    expect(readPromQl('rate(x{a="b"}[$__rate_interval])')).toEqual({ wrong: [], metrics: ["x"], labels: ["a"] });
  });
});
