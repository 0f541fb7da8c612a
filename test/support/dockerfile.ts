import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./files.ts";

export interface Instruction {
  readonly name: string;
  readonly rest: string;
}

export interface BuildStage {
  readonly image: string;
  /** "" for the last one, which is the image. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** The stages of the Dockerfile, with continued lines joined. */
export function dockerfile(): BuildStage[] {
  const text = readFileSync(join(root, "Dockerfile"), "utf8").replaceAll("\\\n", " ");
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const stages: { image: string; name: string; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    const [, image = "", as = ""] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
    if (name === "FROM") stages.push({ image, name: as, instructions: [] });
    else stages.at(-1)?.instructions.push({ name, rest });
  }
  return stages;
}

/** Words of an instruction in its exec form: `CMD ["node", "x"]`. */
export const execForm = ({ rest }: Instruction): string[] => JSON.parse(rest.slice(rest.indexOf("["))) as string[];

/** Where a COPY takes its files from, and where it puts them. */
export function copied({ rest }: Instruction): { from: string | undefined; sources: string[]; to: string } {
  const words = rest.split(/\s+/);
  const from = words[0]?.startsWith("--from=") ? words.shift()?.slice("--from=".length) : undefined;
  return { from, sources: words.slice(0, -1), to: words.at(-1) ?? "" };
}
