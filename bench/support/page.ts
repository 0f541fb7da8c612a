import { stolenWords } from "./place.ts";
import {
  type Cell,
  cellText,
  commandOf,
  doubtOf,
  type Figure,
  failuresOf,
  inUnit,
  reached,
  type Stored,
  shown,
} from "./report.ts";
import { mostStolen } from "./rounds.ts";
import { type Target, targets } from "./targets.ts";

const row = (cells: readonly Cell[]) => `| ${cells.map((cell) => cellText(cell).replaceAll("|", "\\|")).join(" | ")} |`;

function tableOf(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  return [row(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(row)];
}

function rangeOf({ min, max, unit }: Figure): string {
  return min === undefined || max === undefined ? "" : `${inUnit(min, unit)} … ${inUnit(max, unit)}`;
}

function targetRow(reports: readonly Stored[], asked: Target): string[] {
  const { says, of, figure: name, whole, among, target, atMost, why } = asked;
  const report = reports.find(({ kind, name }) => `${kind} ${name}` === of);
  const figureOf = (name: string) => report?.figures.find((one) => one.name === name);
  const found = figureOf(name);
  const command = `\`npm run ${of.replace(" ", " -- ")}\``;
  if (!report || !found) return [says, "**not measured yet**", "", "", command];
  const value = inUnit(found.value, found.unit);
  if (whole && report.form === "short")
    return [says, value, rangeOf(found), `needs the whole form: ${command}`, `\`${commandOf(report)}\``];
  const good = reached({ ...found, target, ...(atMost ? { atMost } : { atMost: false }) });
  const failed = failuresOf(report).length > 0;
  const doubt = doubtOf(found);
  const verdict = [
    ...(good ? [] : ["**MISSED**"]),
    ...(failed ? ["**FAILED run**"] : good ? ["reached"] : []),
    ...(doubt ? [doubt.replace("unsteady", "**unsteady**")] : []),
    ...(report.form === "short" ? ["short form"] : []),
  ];
  const all = among === undefined ? undefined : figureOf(among);
  return [
    says,
    `${value}${all ? ` of ${inUnit(all.value, all.unit)}` : ""}`,
    rangeOf(found),
    `${verdict.join(", ")}${!good && why ? `: ${why}` : ""}`,
    command,
  ];
}

/** `machines`: of all reports; where they differ, each says its own. */
function section(report: Stored, machines: readonly string[]): string[] {
  const failures = failuresOf(report);
  const healthy = report.healthy.map(({ phase, share }) => `${phase} ${(share * 100).toFixed(1)} %`);
  const run = [
    `\`${commandOf(report)}\``,
    report.date,
    ...(machines.length > 1 ? [`on ${report.machine}`] : []),
    ...(report.code ? [`commit ${report.code}`] : []),
    ...(report.databases ? [report.databases] : []),
    ...(report.stolen === undefined ? [] : [stolenWords(report.stolen)]),
    `${report.seconds} s`,
  ];
  return [
    `### ${report.kind} ${report.name}`,
    "",
    `${report.what}. ${run.join(", ")}: ${failures.length === 0 ? "passed" : `**FAILED**: ${failures.join("; ")}`}.`,
    ...report.tables.flatMap(({ title, head, rows }) => [
      "",
      ...(title ? [`${title}:`, ""] : []),
      ...tableOf(head, rows),
    ]),
    ...(healthy.length > 0 ? ["", `Answered by Redis while it was well: ${healthy.join(", ")}.`] : []),
    "",
  ];
}

const figureRow = (figure: Figure, command: string) => [
  figure.name,
  inUnit(figure.value, figure.unit),
  rangeOf(figure),
  figure.ours === undefined ? "" : shown(figure.ours),
  figure.other === undefined ? "" : shown(figure.other),
  `\`${command}\``,
];

/** The whole of docs/measurements.md, from the results as they are stored. */
export function measurementsPage(reports: readonly Stored[]): string {
  const machines = [...new Set(reports.map(({ machine }) => machine))];
  const dates = reports.map(({ date }) => date).sort();
  const costs = reports.find(({ name }) => name === "costs");
  return [
    "# Measurements",
    "",
    "What was promised, what is reached, and the command that shows it. `npm run bench` and `npm run drill` make this page from",
    "the results in [measurements/](measurements/); no number is written by hand. A ratio is taken in one run, in turns, with what",
    `it is compared with; a round during which other machines took more than ${mostStolen} % of the processors' time is measured again,`,
    "as often as a third of the rounds at most. No mark: another run on that machine, of this code or of other code, came",
    "within a quarter of it (a percentage within a quarter of what it leaves); *unsteady*: another run of this code did not;",
    "*one run*: not repeated with this code, and beside it what a run with other code or databases gave, where that is known",
    "and further off.",
    "*L1*: what a server keeps in its own memory; *L2*: what all servers share in Redis; *Redis off*: this server with neither.",
    "",
    reports.length === 0
      ? "Nothing has been measured yet."
      : `${dates[0]} to ${dates.at(-1)} (UTC), on ${machines.join("; and on ")}.`,
    "",
    ...Object.entries(targets).flatMap(([group, list]) => [
      `## ${group}`,
      "",
      ...tableOf(
        ["promised", "figure", "rounds", "", "shown by"],
        list.map((target) => targetRow(reports, target)),
      ),
      "",
    ]),
    ...(costs
      ? [
          "## The largest costs, before and after",
          "",
          ...tableOf(
            ["", "ratio", "rounds", "after", "before", "shown by"],
            costs.figures.map((figure) => figureRow(figure, commandOf(costs))),
          ),
          "",
        ]
      : []),
    "## Every run",
    "",
    ...reports.flatMap((report) => section(report, machines)),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}
