/** A metric as a page of `/metrics` tells of it. */
export interface Metric {
  name: string;
  type: string;
  help: string;
  labels: string[];
  samples: number;
}

const names = (metric: Metric) =>
  metric.type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => metric.name + end) : [metric.name];

/** What is on the page, by name. */
export function readPage(text: string): Metric[] {
  const all = new Map<string, Metric>();
  const of = new Map<string, Metric>();
  for (const line of text.split("\n")) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === "HELP") all.set(name, { name, type: "", help: rest, labels: [], samples: 0 });
    const metric = all.get(name);
    if (kind === "TYPE" && metric) {
      metric.type = rest;
      for (const one of names(metric)) of.set(one, metric);
    }
    const [, series = "", labels = ""] = /^([a-z]\w*)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    const sampled = of.get(series);
    if (!sampled) continue;
    sampled.samples++;
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g))
      if (label !== "le" && !sampled.labels.includes(label)) sampled.labels.push(label);
  }
  return [...all.values()];
}

/** Every name that may be asked for, with its labels. */
export function askable(metrics: readonly Metric[]): Map<string, string[]> {
  return new Map(
    metrics.flatMap((metric) =>
      names(metric).map((name) => [name, name.endsWith("_bucket") ? [...metric.labels, "le"] : metric.labels] as const),
    ),
  );
}

const groups: [title: string, says: string, prefix: RegExp][] = [
  ["Sessions and the dial", "What share Redis answers for, and how that goes.", /^chat_(session|rollout|settings)_/],
  ["Caches", "Each cache by its name.", /^chat_(cache|mongo_reads)_|^chat_bus_/],
  ["Redis", "As this server sees it.", /^chat_redis_/],
  ["MongoDB", "What it is asked, and how fast it answers.", /^(chat_mongo|db|chat_change_stream)_/],
  ["Requests and sockets", "What clients do.", /^(chat_http|websocket|messages|chat_)/],
  ["The process", "The machine's side.", /^(process|nodejs|build)_/],
];

/** The text of `docs/metrics.md`. */
export function metricsPage(metrics: readonly Metric[]): string {
  const left = new Set(metrics);
  const parts = groups.map(([title, says, prefix]) => {
    const own = [...left].filter(({ name }) => prefix.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const one of own) left.delete(one);
    const rows = own.map(({ name, type, labels, help }) => {
      const by = labels.length > 0 ? `{${labels.join(", ")}}` : "";
      return `| \`${name}${by}\` | ${type} | ${help.replaceAll("|", "\\|")} |`;
    });
    return own.length > 0
      ? `## ${title}\n\n${says}\n\n| metric | type | tells |\n|---|---|---|\n${rows.join("\n")}\n`
      : "";
  });
  if (left.size > 0) throw new Error(`No group of docs/metrics.md is for ${[...left].map(({ name }) => name)}`);
  return `${head}\n${parts.filter(Boolean).join("\n")}`;
}

const head = `# Metrics

Everything that \`/metrics\` of a running server tells, for Prometheus. It is for this machine, for who sends \`METRICS_TOKEN\`,
or for everybody with \`METRICS_PUBLIC=true\`. Series start at 0; no user, key or session is ever a label.

\`\`\`sh
curl -s -H "Authorization: Bearer $METRICS_TOKEN" http://localhost:3001/metrics
\`\`\`

The alerts on them are in \`monitoring/alerts/\`, what to do about each in [runbook.md](runbook.md), the dashboard in
\`monitoring/grafana/\`. This page is written by \`npm run docs\` from what a server shows.
`;
