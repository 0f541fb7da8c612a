import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import * as common from "@grafana/grafana-foundation-sdk/common";
import {
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  StackingMode,
  TooltipDisplayMode,
} from "@grafana/grafana-foundation-sdk/common";
import { type Panel, ThresholdsConfigBuilder, ThresholdsMode } from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimelineBuilder } from "@grafana/grafana-foundation-sdk/statetimeline";
import { PanelBuilder as GraphBuilder } from "@grafana/grafana-foundation-sdk/timeseries";

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
export const source = { type: "prometheus", uid: "${datasource}" };

/** One line, or one for each series: what is asked, and what it is called. */
type Query = readonly [expr: string, legend: string];

export interface PanelOptions {
  title: string;
  /** What it shows, and when it is not well. */
  says: string;
  queries: readonly Query[];
  unit?: string;
  /** Of 24 columns. */
  wide?: number;
  /** From here on it is drawn in red. */
  bad?: number;
  stacked?: boolean;
  max?: number;
}

const targets = (queries: readonly Query[]) =>
  queries.map(([expr, legend], at) =>
    new DataqueryBuilder()
      .refId(String.fromCharCode(65 + at))
      .datasource(source)
      .expr(expr)
      .legendFormat(legend),
  );

function limit(bad: number | undefined): ThresholdsConfigBuilder {
  const steps = [{ value: null, color: "green" }, ...(bad === undefined ? [] : [{ value: bad, color: "red" }])];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

const height = 8;

/** Lines over time. */
export function graph({
  title,
  says,
  queries,
  unit = "short",
  wide = 8,
  bad,
  stacked,
  max,
}: PanelOptions): Builder<Panel> {
  const panel = new GraphBuilder()
    .title(title)
    .description(says)
    .datasource(source)
    .height(height)
    .span(wide)
    .unit(unit)
    .min(0)
    .fillOpacity(stacked ? 40 : 8)
    .gradientMode(GraphGradientMode.Opacity)
    .stacking(new common.StackingConfigBuilder().mode(stacked ? StackingMode.Normal : StackingMode.None))
    .tooltip(new common.VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .thresholds(limit(bad))
    .targets(targets(queries));
  if (max !== undefined) panel.max(max);
  if (bad !== undefined)
    panel.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  return panel;
}

/** The number of now, large. */
export function figure({ title, says, queries, unit = "short", wide = 4, bad }: PanelOptions): Builder<Panel> {
  return new StatBuilder()
    .title(title)
    .description(says)
    .datasource(source)
    .height(height)
    .span(wide)
    .unit(unit)
    .noValue("–")
    .thresholds(limit(bad))
    .targets(targets(queries));
}

/** Which of several states held when; 1 is drawn, 0 is not. */
export function states({ title, says, queries, wide = 8 }: PanelOptions): Builder<Panel> {
  return new TimelineBuilder()
    .title(title)
    .description(says)
    .datasource(source)
    .height(height)
    .span(wide)
    .thresholds(
      new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
        { value: null, color: "transparent" },
        { value: 1, color: "blue" },
      ]),
    )
    .targets(targets(queries));
}
