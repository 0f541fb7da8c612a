import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { source } from "./panels.ts";
import { rows } from "./rows.ts";

/** The text of `monitoring/grafana/dashboards/sluice.json`. */
export function dashboardJson(): string {
  const dashboard = new DashboardBuilder("sluice")
    .uid("sluice")
    .description("The chat behind Redis. What the alerts mean: docs/runbook.md")
    .tags(["sluice"])
    .editable()
    .refresh("5s")
    .time({ from: "now-30m", to: "now" })
    .timezone("browser")
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder("datasource").label("Source").type("prometheus"))
    .withVariable(
      new QueryVariableBuilder("instance")
        .label("Server")
        .datasource(source)
        .query("label_values(chat_redis_up, instance)")
        .multi(true)
        .includeAll(true)
        .current({ text: "All", value: "$__all" }),
    );
  for (const { title, panels } of rows) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(panel);
  }
  return `${JSON.stringify(dashboard.build(), undefined, 2)}\n`;
}
