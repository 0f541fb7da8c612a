import { table } from "../../src/cli/desk.ts";

/** What every bench and every drill answers: the one shape that is printed, stored, and made into docs/measurements.md. */
export interface Report {
  readonly kind: "bench" | "drill";
  readonly name: string;
  /** What was measured, on how much. */
  readonly what: string;
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  readonly healthy: readonly Healthy[];
  /** Why it failed; a target that is missed is no failure, but a figure. */
  readonly failures: readonly string[];
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Words, or a number that stays one for whoever reads the stored result. */
export type Cell = string | { readonly value: number; readonly unit: string; readonly digits?: number };

/** What was not, or could not be, measured. */
export const none = "–";

/** A maker of cells; `digits` after the point, or as many as tell three figures. */
const cellsIn =
  (unit: string) =>
  (value: number | undefined, digits?: number): Cell =>
    value === undefined ? none : { value, unit, ...(digits !== undefined && { digits }) };

export const count = cellsIn("");
export const percent = cellsIn(" %");
export const perSecond = cellsIn("/s");
export const seconds = cellsIn(" s");
export const ms = cellsIn(" ms");
export const micro = cellsIn(" µs");
export const megabytes = cellsIn(" MB");
export const times = cellsIn("×");

export const cellText = (cell: Cell): string =>
  typeof cell === "string" ? cell : inUnit(cell.value, cell.unit, cell.digits);

/** What a claim is judged by. */
export interface Figure {
  /** In words that stay the same from run to run. */
  readonly name: string;
  readonly value: number;
  /** After the number: `×`, ` %`, ` ms`. */
  readonly unit: string;
  /** What a ratio was made of: here, and at what it is compared with. */
  readonly ours?: number;
  readonly other?: number;
  /** Over the rounds. */
  readonly min?: number;
  readonly max?: number;
  /** What each side reached, round by round. */
  readonly rounds?: { readonly ours: readonly number[]; readonly other: readonly number[] };
  readonly target?: number;
  /** The target is not to be exceeded. */
  readonly atMost?: boolean;
}

/** How much Redis, or what was kept of it, answered while it was well: a fallback must not hide that it is hardly used. */
export interface Healthy {
  readonly phase: string;
  readonly share: number;
  readonly least: number;
}

/** A figure beside the one of the run before it on the same machine. */
export interface Judged extends Figure {
  readonly former?: number;
  /** What that was measured with, where it was other code or other databases. */
  readonly formerWith?: string;
  /** The run was too short for what is asked of it. */
  readonly needsWhole?: true;
}

export interface Stored extends Omit<Report, "figures"> {
  readonly figures: readonly Judged[];
  /** The whole thing, or a shorter form of it. */
  readonly form: "whole" | "short";
  readonly date: string;
  readonly machine: string;
  /** The last commit that changed what is measured; a `+` after it: with changes that are in none. */
  readonly code?: string;
  /** Their versions. */
  readonly databases?: string;
  /** Of the processors' time, in %: what others on the same hardware took meanwhile. */
  readonly stolen?: number;
  readonly seconds: number;
}

export const commandOf = ({ kind, name, form }: Pick<Stored, "kind" | "name" | "form">) =>
  `npm run ${kind} -- ${name}${form === "short" ? " --short" : ""}`;

/** What could not be measured, which the stored result has as null, reached nothing. */
export const reached = ({ value, target, atMost }: Figure): boolean =>
  target === undefined || (Number.isFinite(value) && (atMost ? value <= target : value >= target));

const within = 0.25;

/**
 * The run before did not come within a quarter of it. A percentage is as far off as what it leaves: 97 % and 98 % are a
 * third apart. What is less than a point counts as one.
 */
function farOff({ value, unit }: Judged, former: number): boolean {
  const size = unit === " %" ? Math.max(1, Math.min(Math.abs(former), Math.abs(100 - former))) : Math.abs(former);
  return !(Math.abs(value - former) <= within * size);
}

/** What another run says of it; other code may well be better or worse, so it confirms, and else stands beside it. */
export function doubtOf(figure: Judged): string | undefined {
  const { former, formerWith, unit } = figure;
  if (former === undefined) return "one run";
  if (!farOff(figure, former)) return undefined;
  return formerWith === undefined ? "unsteady" : `one run, with ${formerWith} ${inUnit(former, unit)}`;
}

/** Failures, and phases in which Redis answered too little. */
export function failuresOf({ failures, healthy }: Pick<Report, "failures" | "healthy">): string[] {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  // A share of nothing is none.
  const short = healthy.filter(({ share, least }) => !(share >= least));
  return [
    ...failures,
    ...short.map(
      ({ phase, share, least }) => `${phase}: Redis answered ${percent(share)}, at least ${percent(least)} expected`,
    ),
  ];
}

export function shown(value: number, digits?: number): string {
  if (!Number.isFinite(value)) return none;
  const size = Math.abs(value);
  const after = digits ?? (Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return value.toLocaleString("en", { minimumFractionDigits: after, maximumFractionDigits: after });
}

/** What is no number has no unit. */
export const inUnit = (value: number, unit: string, digits?: number) =>
  Number.isFinite(value) ? `${shown(value, digits)}${unit}` : none;

const targetOf = ({ target, atMost, unit }: Figure) =>
  target === undefined ? "" : `${atMost ? "≤" : "≥"} ${inUnit(target, unit)}`;

function verdictOf(figure: Judged): string {
  if (figure.needsWhole) return "needs the whole form";
  const doubt = doubtOf(figure);
  return `${figure.target === undefined ? "" : reached(figure) ? "reached" : "MISSED"}${doubt ? ` (${doubt})` : ""}`.trim();
}

function figureLines(figures: readonly Judged[]): string[] {
  if (figures.length === 0) return [];
  const range = ({ min, max, unit }: Figure) =>
    min === undefined || max === undefined ? "" : `${inUnit(min, unit)} … ${inUnit(max, unit)}`;
  const plain = (value: number | undefined) => (value === undefined ? "" : shown(value));
  const rows = figures.map((figure) => [
    figure.name,
    inUnit(figure.value, figure.unit),
    range(figure),
    plain(figure.ours),
    plain(figure.other),
    figure.former === undefined ? "" : inUnit(figure.former, figure.unit),
    targetOf(figure),
    verdictOf(figure),
  ]);
  return ["", ...table([["FIGURE", "VALUE", "ROUNDS", "OURS", "OTHER", "RUN BEFORE", "TARGET", ""], ...rows])];
}

/** As it is printed. */
export function printed(report: Report | Stored): string[] {
  const failures = failuresOf(report);
  const tables = report.tables.flatMap(({ title, head, rows }) => [
    "",
    ...(title ? [title] : []),
    ...table([head.map((word) => word.toUpperCase()), ...rows.map((row) => row.map(cellText))]),
  ]);
  const shares = report.healthy.map(
    ({ phase, share, least }) => [phase, `${(share * 100).toFixed(1)} %`, `≥ ${inUnit(least * 100, " %")}`] as string[],
  );
  return [
    `${report.kind} ${report.name}: ${report.what}`,
    ...tables,
    ...figureLines(report.figures),
    ...(shares.length > 0
      ? ["", ...table([["ANSWERED BY REDIS WHILE IT WAS WELL", "SHARE", "EXPECTED"], ...shares])]
      : []),
    "",
    failures.length === 0 ? "Passed." : `FAILED: ${failures.join("; ")}`,
  ];
}
