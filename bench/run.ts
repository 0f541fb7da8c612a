import { readdirSync } from "node:fs";
import { basename } from "node:path";

/** `npm run bench -- <name>`: runs one of the files beside this one, compiled as the product is. */
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".js"))
  .map((file) => basename(file, ".js"))
  .filter((name) => name !== "run")
  .sort();
const [, , name = ""] = process.argv;
if (names.includes(name)) {
  const bench = (await import(`./${name}.js`)) as { run(): Promise<void> };
  await bench.run();
} else {
  console.error(`npm run bench -- <name>, one of: ${names.join(", ")}`);
  process.exitCode = 2;
}
