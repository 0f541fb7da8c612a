import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, platform, totalmem } from "node:os";
import { join } from "node:path";
import { measurementsPage } from "./page.ts";
import { failuresOf, printed, type Report, type Stored } from "./report.ts";

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

export function storedReports(from = folder()): Stored[] {
  if (!existsSync(from)) return [];
  const files = readdirSync(from).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => JSON.parse(readFileSync(join(from, file), "utf8")) as Stored);
}

/**
 * Beside the same figure of the run before, where that was as long and on the same machine. A short run does not take the
 * place of a whole one.
 */
export function store(report: Report, form: Stored["form"], seconds: number, where = folder()): Stored {
  mkdirSync(where, { recursive: true });
  const file = join(where, `${report.kind}-${report.name}.json`);
  const machine = machineLine();
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Stored) : undefined;
  const comparable = before?.machine === machine && before.form === form;
  const figures = report.figures.map((figure) => {
    const former = comparable ? before.figures.find(({ name }) => name === figure.name)?.value : undefined;
    return former === undefined ? figure : { ...figure, former };
  });
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const stored: Stored = { ...report, figures, form, date, machine, seconds: Math.round(seconds) };
  const lesser = form === "short" && before?.form === "whole" && before.machine === machine;
  if (!lesser) writeFileSync(file, `${JSON.stringify(stored, undefined, 2)}\n`);
  return stored;
}

async function conductOne({ load }: Conducted, name: string, options: RunOptions): Promise<boolean> {
  const since = performance.now();
  const report = await (await load(name)).run(options);
  const stored = store(report, options.short ? "short" : "whole", (performance.now() - since) / 1_000);
  console.log(`${printed(stored).join("\n")}\n${stored.seconds} s on ${stored.machine}\n`);
  return failuresOf(stored).length === 0;
}

/** One of them as a whole by its name, or a shorter form of all; answers the exit code. */
export async function conduct(conducted: Conducted, words: readonly string[]): Promise<number> {
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
  const failed: string[] = [];
  for (const one of chosen) {
    const why = lacking?.(one);
    if (why) {
      console.log(`${kind} ${one} was left out: ${why}\n`);
      if (name) failed.push(one);
      continue;
    }
    const good = await conductOne(conducted, one, { short, args }).catch((error: unknown) => {
      console.error(`${kind} ${one} could not be run to its end:`, error);
      return false;
    });
    if (!good) failed.push(one);
    writeFileSync(page(), measurementsPage(storedReports()));
  }
  if (name === undefined)
    console.log(
      `${chosen.length} in all${failed.length > 0 ? `, FAILED: ${failed.join(", ")}` : ", all passed"}; shorter forms: \`npm run ${kind} -- <name>\` runs one as a whole${apart.length > 0 ? `; apart from these: ${apart.join(", ")}` : ""}. All figures: docs/measurements.md`,
    );
  return failed.length === 0 ? 0 : 1;
}
