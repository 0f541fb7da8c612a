import { readdirSync } from "node:fs";
import { basename } from "node:path";

/** `npm run drill -- <name>`: runs one of the files beside this one against real processes. */
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => basename(file, ".ts"))
  .filter((name) => name !== "run")
  .sort();
const [, , name = "", ...args] = process.argv;
if (names.includes(name)) {
  const drill = (await import(`./${name}.ts`)) as { run(args: string[]): Promise<boolean> };
  process.exitCode = (await drill.run(args)) ? 0 : 1;
} else {
  console.error(`npm run drill -- <name>, one of: ${names.join(", ")}`);
  process.exitCode = 2;
}
