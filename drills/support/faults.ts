import type { Table } from "../../bench/support/report.ts";

/** One fault, and what those who used the chat saw of it. What a drill cannot tell is left out. */
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

const count = (value: number | undefined) => (value === undefined ? "" : value.toLocaleString("en"));
const ms = (value: number | undefined) => (value === undefined ? "" : `${value.toFixed(0)} ms`);

const columns: readonly [head: string, cell: (row: FaultRow) => string][] = [
  ["fault", ({ fault }) => fault],
  ["duration", ({ seconds }) => (seconds === undefined ? "" : `${seconds.toFixed(1)} s`)],
  ["requests", ({ requests }) => count(requests)],
  ["errors", ({ errors }) => count(errors)],
  ["slowest", ({ slowestMs }) => ms(slowestMs)],
  ["lost", ({ lost }) => count(lost)],
  ["revived", ({ revived }) => count(revived)],
  ["stale", ({ stale }) => count(stale)],
  ["time to detect", ({ detectMs }) => ms(detectMs)],
  ["time to recover", ({ recoverMs }) => ms(recoverMs)],
];

/** The columns that every drill has, without those that mean nothing for this one; and further ones of its own. */
export function faultTable<Row extends FaultRow>(
  rows: readonly Row[],
  more: readonly [head: string, cell: (row: Row) => string][] = [],
): Table {
  const all: readonly [head: string, cell: (row: Row) => string][] = [...columns, ...more];
  const told = all.filter(([, cell]) => rows.some((row) => cell(row) !== ""));
  return { title: "", head: told.map(([head]) => head), rows: rows.map((row) => told.map(([, cell]) => cell(row))) };
}
