import type { Table } from "../../bench/support/report.ts";

/** One fault, and what those who used the chat saw of it. What means nothing for a drill is a dash. */
export interface FaultRow {
  readonly fault: string;
  readonly seconds?: number;
  readonly requests?: number;
  /** Answers of 500 and above, and none at all. */
  readonly errors?: number;
  readonly slowestMs?: number;
  readonly lost?: number;
  readonly revived?: number;
  readonly stale?: number;
  /** Until the servers said so. */
  readonly detectMs?: number | undefined;
  /** Until Redis was used again. */
  readonly recoverMs?: number | undefined;
}

const nothing = "–";
const count = (value: number | undefined) => (value === undefined ? nothing : value.toLocaleString("en"));
const inUnit = (value: number | undefined, digits: number, unit: string) =>
  value === undefined ? nothing : `${value.toFixed(digits)} ${unit}`;
const ms = (value: number | undefined) => inUnit(value, 0, "ms");

const columns: readonly [head: string, cell: (row: FaultRow) => string][] = [
  ["fault", ({ fault }) => fault],
  ["duration", ({ seconds }) => inUnit(seconds, 1, "s")],
  ["requests", ({ requests }) => count(requests)],
  ["errors", ({ errors }) => count(errors)],
  ["slowest", ({ slowestMs }) => ms(slowestMs)],
  ["lost", ({ lost }) => count(lost)],
  ["revived", ({ revived }) => count(revived)],
  ["stale", ({ stale }) => count(stale)],
  ["time to detect", ({ detectMs }) => ms(detectMs)],
  ["time to recover", ({ recoverMs }) => ms(recoverMs)],
];

/** The columns that every drill has, and further ones of its own. */
export function faultTable<Row extends FaultRow>(
  rows: readonly Row[],
  more: readonly [head: string, cell: (row: Row) => string][] = [],
): Table {
  const all: readonly [head: string, cell: (row: Row) => string][] = [...columns, ...more];
  const cells = (row: Row) => all.map(([, cell]) => cell(row) || nothing);
  return { title: "", head: all.map(([head]) => head), rows: rows.map(cells) };
}
