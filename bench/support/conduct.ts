import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, platform, totalmem } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../src/kernel/errors.ts";
import { measurementsPage } from "./page.ts";
import { failuresOf, type Judged, printed, type Report, reached, type Stored, unsteady } from "./report.ts";

/** npm runs its scripts in the folder of the project. */
const folder = () => join(process.cwd(), "docs/measurements");
const page = () => join(process.cwd(), "docs/measurements.md");

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

const machineLine = () =>
  `${cpus().length} × ${cpus()[0]?.model.trim() ?? "processor"}, ${Math.round(totalmem() / 2 ** 30)} GB, ${platform()}, Node ${process.versions.node}`;

const measured = ["src", "bench", "drills", "test/support", "package-lock.json"];

/** The last commit that changed what is measured; a `+` after it: with changes that are in none. */
function codeLine(): string {
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const commit = git("log", "-1", "--format=%h", "--abbrev=7", "--", ...measured);
    return git("status", "--porcelain", "--", ...measured) === "" ? commit : `${commit}+`;
  } catch {
    return "no commit";
  }
}

export function storedReports(from = folder()): Stored[] {
  if (!existsSync(from)) return [];
  const files = readdirSync(from).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => JSON.parse(readFileSync(join(from, file), "utf8")) as Stored);
}

/** Beside the one of the run before. Other code may well be better or worse: only what it leaves as it was is confirmed by it. */
function judged(figure: Judged, before: Stored | undefined, code: string): Judged {
  const former = before?.figures.find(({ name }) => name === figure.name)?.value;
  if (former === undefined) return figure;
  const beside = { ...figure, former };
  const same = before?.code === code && !code.endsWith("+");
  return same || unsteady(beside) === false ? beside : figure;
}

interface How extends Required<Pick<Stored, "form" | "seconds" | "code">> {
  whole?: boolean;
}

/**
 * Beside the run before, where that was as long and on the same machine. A short run does not take the place of a whole one,
 * unless it failed; a part of one (`whole: false`) takes nobody's.
 */
export function store(report: Report, how: How, where = folder()): Stored {
  const file = join(where, `${report.kind}-${report.name}.json`);
  const { whole = true, form, seconds, code } = how;
  const machine = machineLine();
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Stored) : undefined;
  const comparable = before?.machine === machine && before.form === form;
  const figures = report.figures.map((figure) => judged(figure, comparable ? before : undefined, code));
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const stored: Stored = { ...report, figures, form, date, machine, code, seconds };
  const lesser = form === "short" && before?.form === "whole" && before.machine === machine;
  if (!whole || (lesser && failuresOf(stored).length === 0)) return stored;
  mkdirSync(where, { recursive: true });
  writeFileSync(file, `${JSON.stringify(stored, undefined, 2)}\n`);
  return stored;
}

async function conductOne({ kind, load }: Conducted, name: string, options: RunOptions): Promise<Stored> {
  const since = performance.now();
  const measure = async () => (await load(name)).run(options);
  const report = await measure().catch((error: unknown): Report => {
    console.error(`${kind} ${name} could not be run to its end:`, error);
    const failures = [`it could not be run to its end: ${messageOf(error)}`];
    return { kind, name, what: "no result", tables: [], figures: [], healthy: [], failures };
  });
  const seconds = Math.round((performance.now() - since) / 1_000);
  const whole = options.args.length === 0;
  const stored = store(report, { form: options.short ? "short" : "whole", seconds, code: codeLine(), whole });
  console.log(`${printed(stored).join("\n")}\n${seconds} s on ${stored.machine}, commit ${stored.code}\n`);
  if (!whole) console.log(`Not kept in docs/measurements: it was run with ${options.args.join(" ")}\n`);
  return stored;
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
  const chosen = name === undefined ? names.filter((one) => !apart.includes(one)) : [name];
  const done: Stored[] = [];
  const left: string[] = [];
  for (const one of chosen) {
    const why = lacking?.(one);
    if (why) {
      console.log(`${kind} ${one} was left out: ${why}\n`);
      left.push(one);
      continue;
    }
    done.push(await conductOne(conducted, one, { short, args }));
    writeFileSync(page(), measurementsPage(storedReports()));
  }
  const failed = done.filter((one) => failuresOf(one).length > 0).map((one) => one.name);
  if (name === undefined) {
    const missed = done.flatMap(({ figures }) => figures).filter((figure) => !reached(figure));
    const ends = [
      `${done.length - failed.length} of ${chosen.length} passed`,
      ...(failed.length > 0 ? [`FAILED: ${failed.join(", ")}`] : []),
      ...(left.length > 0 ? [`left out: ${left.join(", ")}`] : []),
      `${missed.length} targets missed`,
      `${Math.round((performance.now() - since) / 1_000)} s in all`,
    ];
    const apartFrom = apart.length > 0 ? `; apart from these: ${apart.join(", ")}` : "";
    console.log(
      `${ends.join("; ")}.\nShorter forms: \`npm run ${kind} -- <name>\` runs one as a whole${apartFrom}. All figures: docs/measurements.md`,
    );
  }
  return failed.length === 0 && (name === undefined || left.length === 0) ? 0 : 1;
}
