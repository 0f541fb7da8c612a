import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { messageOf } from "../../src/kernel/errors.ts";
import { measurementsPage } from "./page.ts";
import { codeLine, machineLine, stolenWords, watchStolen } from "./place.ts";
import { type Figure, failuresOf, type Judged, printed, type Report, reached, type Stored } from "./report.ts";
import { takeAlong } from "./take-along.ts";
import { targetsOf } from "./targets.ts";

/** npm runs its scripts in the folder of the project. */
const folder = () => join(process.cwd(), "docs/measurements");
/** For what does not belong there: not committed. */
const aside = () => join(process.cwd(), ".sluice/measurements");
const page = () => join(process.cwd(), "docs/measurements.md");

/** For a run of all, in seconds. */
const allowed = 600;

export interface RunOptions {
  /** Less of everything, so that all of them take ten minutes. */
  readonly short: boolean;
  readonly args: readonly string[];
}

export interface Conducted {
  readonly kind: Report["kind"];
  readonly names: readonly string[];
  /** Too long for the run of all. */
  readonly apart?: readonly string[];
  /** What cannot run on this machine, and why. */
  lacking?(name: string): string | undefined;
  load(name: string): Promise<{ run(options: RunOptions): Promise<Report> }>;
}

export function storedReports(from = folder()): Stored[] {
  if (!existsSync(from)) return [];
  const files = readdirSync(from).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => JSON.parse(readFileSync(join(from, file), "utf8")) as Stored);
}

/** How it was run. */
type How = Required<Pick<Stored, "form" | "seconds" | "code" | "databases">> & Pick<Stored, "stolen">;

/** What the run before was measured with, where it was not the same; code that is in no commit is never the same. */
function otherwise({ code = "other code", databases = "other databases" }: Stored, how: How): string | undefined {
  const others = [
    ...(code !== how.code || code.endsWith("+") ? [code === "other code" ? code : `commit ${code}`] : []),
    ...(databases !== how.databases ? [databases] : []),
  ];
  return others.length > 0 ? others.join(", ") : undefined;
}

/** Beside the one of the run before. */
function judged(figure: Judged, before: Stored | undefined, how: How): Judged {
  const former = before?.figures.find(({ name }) => name === figure.name)?.value;
  if (!before || former === undefined || !Number.isFinite(former)) return figure;
  const formerWith = otherwise(before, how);
  return { ...figure, former, ...(formerWith && { formerWith }) };
}

/** JSON with a line for each list of numbers or words. */
function written(stored: Stored): string {
  const inOneLine = (flat: string) => flat.replace(/\s*\n\s*/g, " ");
  return `${JSON.stringify(stored, undefined, 2).replace(/\[[^[\]{}]*\]/g, inOneLine)}\n`;
}

function put(file: string, stored: Stored): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, written(stored));
  return file;
}

/** A shorter form is no answer to what was asked of the whole one. */
function sized(figures: readonly Figure[], { kind, name }: Report, form: Stored["form"]): Judged[] {
  const tooBig = form === "short" ? targetsOf(kind, name).filter(({ whole }) => whole) : [];
  return figures.map((one) =>
    tooBig.some(({ figure }) => figure === one.name) ? { ...one, needsWhole: true as const } : one,
  );
}

/**
 * Beside the run before, where that was as long and on the same machine. A short run does not take the place of a whole one,
 * unless it failed; a part of one (`whole: false`) takes nobody's: they are kept aside. What came to no figures leaves those
 * that were there, and says that it failed. Answers where it is kept, too.
 */
export function store(
  report: Report,
  { whole = true, ...how }: How & { whole?: boolean },
  { where = folder(), beside = aside() } = {},
): { run: Stored; file: string } {
  const name = `${report.kind}-${report.name}.json`;
  const file = join(where, name);
  const machine = machineLine();
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Stored) : undefined;
  const comparable = before?.machine === machine && before.form === how.form;
  const figures = sized(report.figures, report, how.form).map((figure) =>
    judged(figure, comparable ? before : undefined, how),
  );
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const run: Stored = { ...report, figures, date, machine, ...how };
  const lesser = how.form === "short" && before?.form === "whole" && before.machine === machine;
  if (!whole || (lesser && failuresOf(run).length === 0)) return { run, file: put(join(beside, name), run) };
  const crashed = figures.length === 0 && before;
  const when = `${date} on ${machine}, commit ${how.code}`;
  const kept = crashed ? { ...before, failures: report.failures.map((why) => `${when}: ${why}`) } : run;
  return { run, file: put(file, kept) };
}

/** What the page asks of it, and it does not say: forgotten, or by another name. */
export const unanswered = ({ kind, name, figures }: Report): string[] =>
  targetsOf(kind, name)
    .filter(({ figure }) => !figures.some((one) => one.name === figure))
    .map(({ figure }) => `docs/measurements.md asks for "${figure}", which was not measured`);

async function conductOne(
  { kind, load }: Conducted,
  name: string,
  options: RunOptions,
  databases: string,
): Promise<Stored> {
  const since = performance.now();
  const stolenSince = watchStolen();
  const code = codeLine();
  const whole = options.args.length === 0;
  const measure = async (): Promise<Report> => {
    const report = await (await load(name)).run(options);
    return whole ? { ...report, failures: [...report.failures, ...unanswered(report)] } : report;
  };
  const report = await measure().catch((error: unknown): Report => {
    console.error(`${kind} ${name} could not be run to its end:`, error);
    const failures = [`it could not be run to its end: ${messageOf(error)}`];
    return { kind, name, what: "no result", tables: [], figures: [], healthy: [], failures };
  });
  const seconds = Math.round((performance.now() - since) / 1_000);
  const stolen = stolenSince();
  const form = options.short ? "short" : "whole";
  const how: How = { form, seconds, code, databases, ...(stolen !== undefined && { stolen }) };
  const { run, file } = store(report, { ...how, whole });
  const about = [
    ...[`${seconds} s on ${run.machine}`, databases, `commit ${code}`],
    ...(stolen === undefined ? [] : [stolenWords(stolen)]),
    `kept in ${relative("", file)}`,
  ];
  console.log(`${printed(run).join("\n")}\n${about.join(", ")}\n`);
  return run;
}

/** One of them as a whole by its name, or a shorter form of all; answers the exit code. */
export async function conduct(conducted: Conducted, words: readonly string[]): Promise<number> {
  const since = performance.now();
  const [name, ...args] = words.filter((word) => word !== "--short");
  const short = name === undefined || words.includes("--short");
  const { kind, names, apart = [], lacking } = conducted;
  if (name !== undefined && !names.includes(name)) {
    console.error(
      `npm run ${kind} -- <name> [--short], one of: ${names.join(", ")}; without a name a shorter form of all`,
    );
    return 2;
  }
  takeAlong();
  const chosen = name === undefined ? names.filter((one) => !apart.includes(one)) : [name];
  const done: Stored[] = [];
  const left: string[] = [];
  // Whoever only makes the page of what is stored needs no databases.
  const { databasesLine } = await import("./databases.ts");
  const databases = await databasesLine();
  for (const one of chosen) {
    const why = lacking?.(one);
    if (why) {
      console.log(`${kind} ${one} was left out: ${why}\n`);
      left.push(one);
      continue;
    }
    done.push(await conductOne(conducted, one, { short, args }, databases));
    writeFileSync(page(), measurementsPage(storedReports()));
  }
  const failed = done.filter((one) => failuresOf(one).length > 0).map((one) => one.name);
  if (name === undefined) {
    const missed = done.flatMap(({ figures }) => figures).filter((figure) => !figure.needsWhole && !reached(figure));
    const seconds = Math.round((performance.now() - since) / 1_000);
    const ends = [
      `all: ${done.length - failed.length} of ${chosen.length} passed, ${seconds} s of ${allowed} allowed`,
      ...(failed.length > 0 ? [`FAILED: ${failed.join(", ")}`] : []),
      ...(left.length > 0 ? [`left out: ${left.join(", ")}`] : []),
      `${missed.length} targets missed`,
    ];
    const apartFrom = apart.length > 0 ? `; apart from these: ${apart.join(", ")}` : "";
    console.log(
      `${ends.join("; ")}.\nShorter forms: \`npm run ${kind} -- <name>\` runs one as a whole${apartFrom}. All figures: docs/measurements.md`,
    );
    if (seconds > allowed)
      console.warn(`WARNING: all of them took ${seconds - allowed} s longer than the ${allowed} s that they may take`);
  }
  return failed.length === 0 && (name === undefined || left.length === 0) ? 0 : 1;
}
