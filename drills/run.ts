import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { conduct } from "../bench/support/conduct.ts";
import { prometheusInstalled } from "./alerts/prometheus.ts";

/** `npm run drill -- <name>`: runs one of the files beside this one against real processes; without a name, all. */
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => basename(file, ".ts"))
  .filter((name) => name !== "run")
  .sort();
const lacking = (name: string) =>
  name.startsWith("alerts") && !prometheusInstalled
    ? "it needs prometheus (Debian: apt-get install prometheus)"
    : undefined;
const load = (name: string) => import(`./${name}.ts`);
process.exitCode = await conduct(
  { kind: "drill", names, apart: ["alerts-load"], lacking, load },
  process.argv.slice(2),
);
