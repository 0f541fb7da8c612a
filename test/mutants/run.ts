import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startEmbeddedMongo } from "../../src/embedded/mongo.ts";
import { defaultCacheDir } from "../../src/embedded/options.ts";
import { cacheMutants } from "./cache.ts";
import { type Mutant, mutants as sessionMutants } from "./mutants.ts";

/**
 * `npm run test:mutants [-- <words of a name>]`: puts each deliberate bug into a copy of the tree and runs the suites
 * there. One that nobody notices is a hole in the suites.
 */
const root = resolve(import.meta.dirname, "../..");
const races = "test/sessions/races.test.ts";
const properties = "test/properties/sessions.test.ts";
const copied = ["src", "test", "migrations", "package.json", "tsconfig.json", "vitest.config.ts"];
const budgetMs = 25 * 60_000;
const perSuiteMs = 180_000;

const quiet = { debug() {}, info() {}, warn: console.warn, error: console.error };

interface Verdict {
  noticed: boolean;
  by: string;
  seconds: number;
}

async function copyTree(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-mutant-"));
  for (const name of copied) await cp(join(root, name), join(folder, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

async function apply(folder: string, { name, file, find, replace }: Mutant): Promise<void> {
  const path = join(folder, file);
  const text = await readFile(path, "utf8");
  const places = text.split(find).length - 1;
  if (places !== 1) throw new Error(`"${name}": what it replaces is in ${file} ${places} times`);
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
}

/** The test that failed first, and what went wrong. */
function complaint(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const at = lines.findIndex((line) => line.startsWith("FAIL "));
  const test = lines[at]?.split(" > ").slice(1).join(" > ") ?? "";
  const after = lines.slice(at + 1);
  const told = after.find((line) =>
    /was shown|failed although|ends \d+ ms apart|after all was well|all are shown|was not answered/.test(line),
  );
  const error = told ?? after.find((line) => /^(Assertion|Type)?Error/.test(line)) ?? "";
  return `${test}: ${error.replace(/^\w*Error: /, "")}`.slice(0, 200);
}

async function suite(folder: string, file: string, env: Record<string, string>): Promise<Verdict> {
  const begun = performance.now();
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", file, "--bail", "1"], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: perSuiteMs,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  const code = await new Promise<number | null>((done) => child.once("close", done));
  const seconds = (performance.now() - begun) / 1_000;
  // A suite that comes to no end has noticed nothing that anybody could read.
  if (code === null) return { noticed: false, by: `${file} came to no end`, seconds };
  return { noticed: code !== 0, by: code === 0 ? "" : complaint(output), seconds };
}

const [, , ...asked] = process.argv;
const mutants = [...sessionMutants, ...cacheMutants];
const chosen = mutants.filter(({ name }) => asked.every((word) => name.includes(word)));
const dataDir = await mkdtemp(join(tmpdir(), "sluice-mutants-"));
const mongo = await startEmbeddedMongo({
  dataDir,
  cacheDir: defaultCacheDir(process.env.XDG_CACHE_HOME, homedir()),
  searchPath: process.env.PATH ?? "",
  systemBinary: process.env.MONGOMS_SYSTEM_BINARY ?? "",
  downloadTimeoutMs: 60_000,
  log: quiet,
  say: () => {},
});
const env = { MONGODB_TEST_URL: mongo.url, SLUICE_NO_SHRINKING: "1", NO_COLOR: "1" };
const begun = performance.now();
const survivors: string[] = [];
try {
  const healthy = await copyTree();
  const used = new Set([races, properties, ...mutants.flatMap((mutant) => mutant.suite ?? [])]);
  for (const file of asked.length > 0 ? [] : used) {
    const { noticed, by } = await suite(healthy, file, env);
    if (noticed || by) throw new Error(`${file} fails without any bug: ${by}`);
  }
  await rm(healthy, { recursive: true });
  for (const mutant of chosen) {
    if (performance.now() - begun > budgetMs) {
      survivors.push(`${mutant.name} (no time left)`);
      continue;
    }
    const folder = await copyTree();
    try {
      await apply(folder, mutant);
      let verdict = await suite(folder, mutant.suite ?? races, env);
      if (!verdict.noticed && !mutant.suite) verdict = await suite(folder, properties, env);
      if (!verdict.noticed) survivors.push(mutant.name);
      const mark = verdict.noticed ? "killed  " : "SURVIVED";
      console.log(`${mark} ${verdict.seconds.toFixed(0).padStart(3)} s  ${mutant.name.padEnd(52)} ${verdict.by}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const seconds = Math.round((performance.now() - begun) / 1_000);
  console.log(`${chosen.length - survivors.length} of ${chosen.length} killed in ${seconds} s`);
  if (survivors.length > 0) process.exitCode = 1;
} finally {
  await mongo.close();
  await rm(dataDir, { recursive: true, force: true });
}
