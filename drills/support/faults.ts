import { type Cell, count, type Figure, ms, none, seconds, type Table } from "../../bench/support/report.ts";

/** One fault, and what those who used the chat saw of it. What was not, or could not be, seen is absent. */
export interface FaultRow {
  readonly fault: string;
  /** Whoever asks Redis cannot miss it. */
  readonly interrupts?: boolean | undefined;
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
  /** Until Redis was used again, or who was cut off or sent away was back. */
  readonly recoverMs?: number | undefined;
}

/** Absent, or empty, is a dash. */
type Column<Row> = readonly [head: string, cell: (row: Row) => Cell | undefined];

const columns: readonly Column<FaultRow>[] = [
  ["fault", ({ fault }) => fault],
  ["duration", (row) => seconds(row.seconds, 1)],
  ["requests", ({ requests }) => count(requests)],
  ["errors", ({ errors }) => count(errors)],
  ["slowest", ({ slowestMs }) => ms(slowestMs, 0)],
  ["lost", ({ lost }) => count(lost)],
  ["revived", ({ revived }) => count(revived)],
  ["stale", ({ stale }) => count(stale)],
  ["time to detect", ({ detectMs }) => ms(detectMs, 0)],
  ["time to recover", ({ recoverMs }) => ms(recoverMs, 0)],
];

/**
 * The worst of the outages, and of all after which Redis had to be used again; no number where one was never told, or never
 * ended. What only takes something out of Redis is found when that is missed, and not at once.
 */
export function noticing(rows: readonly FaultRow[]): Figure[] {
  const outages = rows.filter(({ interrupts }) => interrupts);
  const told = rows.filter(({ interrupts, detectMs }) => interrupts || detectMs !== undefined);
  const worst = (name: string, times: (number | undefined)[], target: number): Figure => {
    const value = times.length === 0 ? Number.NaN : Math.max(...times.map((time) => time ?? Number.NaN));
    return { name, value, unit: " ms", target, atMost: true };
  };
  return [
    worst(
      "time to detect",
      outages.map(({ detectMs }) => detectMs),
      1_000,
    ),
    worst(
      "used again",
      told.map(({ recoverMs }) => recoverMs),
      2_000,
    ),
  ];
}

/** The columns that drills have in common, and further ones of its own; one that says nothing of any row is left out. */
export function faultTable<Row extends FaultRow>(rows: readonly Row[], more: readonly Column<Row>[] = []): Table {
  const all = [...columns, ...more].map(([head, cell]) => ({ head, cells: rows.map((row) => cell(row) || none) }));
  const telling = all.filter(({ cells }) => cells.some((cell) => cell !== none));
  return {
    title: "",
    head: telling.map(({ head }) => head),
    rows: rows.map((_, at) => telling.map(({ cells }) => cells[at] ?? none)),
  };
}
