import { fill, h } from "../dom.js";
import { figure, time } from "./words.js";

/** The lines of a chart have names, colours and dashes, so that nobody has to tell them by the colour alone. */
const charts = [
  {
    title: "Hit rate of the caches",
    unit: "%",
    top: 100,
    lines: [["hits", (p) => (p.hitRatio === null ? null : p.hitRatio * 100)]],
  },
  {
    title: "Mean time of a read",
    unit: "ms",
    lines: [
      ["Redis", (p) => p.redisMs],
      ["MongoDB", (p) => p.mongoMs],
    ],
  },
  {
    title: "Work of MongoDB",
    unit: "/s",
    lines: [
      ["reads saved", (p) => p.saved],
      ["commands sent", (p) => p.queries],
    ],
  },
  {
    title: "Trouble",
    unit: "/s",
    lines: [
      ["fallbacks", (p) => p.fallbacks],
      ["errors of Redis", (p) => p.errors],
      ["cookies without session", (p) => p.missing],
    ],
  },
];
const windowMs = 300_000;
const shortest = 60;
const dashes = [[], [6, 4], [2, 3]];
const height = 150;

const inWindow = (points, now) => points.filter(({ at }) => at > now - windowMs);
const known = (values) => values.filter((value) => value !== null);
const mean = (values) => (values.length > 0 ? values.reduce((sum, one) => sum + one, 0) / values.length : null);

function chart({ title, unit, top, lines }) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const place = h("div", { class: "plot", "aria-hidden": "true" });
  const now = lines.map(() => h("b", {}));
  const legend = h(
    "p",
    { class: "legend" },
    lines.map(([name], at) => h("span", { class: `line-${at}` }, `${name} `, now[at])),
  );
  const rows = h("tbody", {});
  const heads = ["Line", "Lowest", "Mean", "Highest"].map((text) => h("th", { scope: "col" }, text));
  const table = h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads)), rows);
  const details = h("details", {}, h("summary", {}, "In figures", h("span", { class: "unseen" }, `: ${title}`)), table);
  const element = h("figure", {}, h("figcaption", {}, title), legend, place, details);
  let plot;

  function draw() {
    plot?.destroy();
    const [ink, line] = [colour("--soft"), colour("--line")];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    plot = new uPlot(
      {
        width: Math.max(200, place.clientWidth),
        height,
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: { range: (_plot, first, last) => [Math.min(first, last - shortest), last] },
          y: { range: (_plot, _low, high) => [0, top ?? Math.max(high * 1.1, 1)] },
        },
        axes: [
          { ...axis, space: 90, size: 28, values: (_, ticks) => ticks.map((at) => time(at * 1_000)) },
          { ...axis, size: 44, values: (_, ticks) => ticks.map((value) => figure(value)) },
        ],
        series: [
          {},
          ...lines.map((_, at) => ({
            stroke: colour(`--line-${at}`),
            width: 2,
            dash: dashes[at],
            points: { show: false },
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      place,
    );
  }

  return {
    element,
    draw,
    resize: () => plot?.setSize({ width: Math.max(200, place.clientWidth), height }),
    show(points) {
      const values = lines.map(([, of]) => points.map(of));
      plot?.setData([points.map(({ at }) => at / 1_000), ...values]);
      for (const [at, of] of values.entries()) now[at].textContent = figure(of.at(-1) ?? null, unit);
      if (!details.open) return;
      fill(
        rows,
        lines.map(([name], at) => {
          const told = known(values[at]);
          const cells = [told.length ? Math.min(...told) : null, mean(told), told.length ? Math.max(...told) : null];
          return h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            cells.map((value) => h("td", {}, figure(value, unit))),
          );
        }),
      );
    },
  };
}

export function chartsView() {
  const place = document.getElementById("charts");
  const all = charts.map(chart);
  let points = [];
  fill(
    place,
    all.map(({ element }) => element),
  );
  const drawAll = () => {
    for (const one of all) {
      one.draw();
      one.show(points);
    }
  };
  drawAll();
  const resizes = new ResizeObserver(() => {
    for (const one of all) one.resize();
  });
  resizes.observe(place);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", drawAll);
  return {
    show({ point, at }) {
      const last = points.at(-1);
      // A gap in time is a gap in the lines.
      const gap = last && point.at - last.at > 5_000 ? [{ ...blank, at: last.at + 1_000 }] : [];
      points = inWindow([...points, ...gap, point], at);
      for (const one of all) one.show(points);
    },
    close() {
      resizes.disconnect();
      scheme.removeEventListener("change", drawAll);
    },
  };
}

const blank = {
  hitRatio: null,
  redisMs: null,
  mongoMs: null,
  saved: null,
  queries: null,
  fallbacks: null,
  errors: null,
  missing: null,
};
