import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { conduct } from "./support/conduct.ts";

/** `npm run bench -- <name>`: runs one of the files beside this one, compiled as the product is; without a name, all. */
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".js"))
  .map((file) => basename(file, ".js"))
  .filter((name) => name !== "run")
  .sort();
const load = (name: string) => import(`./${name}.js`);
process.exitCode = await conduct({ kind: "bench", names, apart: ["scale", "costs"], load }, process.argv.slice(2));
