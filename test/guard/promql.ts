import { parser } from "@prometheus-io/lezer-promql";

export interface Reading {
  /** Where the expression cannot be read; empty when it can. */
  wrong: string[];
  metrics: string[];
  /** The labels by which it asks or groups. */
  labels: string[];
}

/** Reads a PromQL expression as Prometheus does; Grafana's own interval is filled in first. */
export function readPromQl(expr: string): Reading {
  const text = expr.replaceAll("$__rate_interval", "1m");
  const reading: Reading = { wrong: [], metrics: [], labels: [] };
  parser.parse(text).iterate({
    enter(node) {
      const words = text.slice(node.from, node.to);
      if (node.type.isError) reading.wrong.push(`at ${node.from}: ${text.slice(node.from, node.from + 20)}`);
      if (node.name === "VectorSelector") reading.metrics.push(words.split("{")[0]?.trim() ?? "");
      if (node.name === "LabelName") reading.labels.push(words);
    },
  });
  return reading;
}
