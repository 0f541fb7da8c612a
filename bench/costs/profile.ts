import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

export interface Cost {
  where: string;
  /** Of the time that the processor was busy. */
  part: number;
}

const most = 15;
const idle = new Set(["(idle)", "(root)"]);

function nameOf({ functionName, url, lineNumber }: Profile["nodes"][number]["callFrame"]): string {
  const path = url
    .replace(/^file:\/\//, "")
    .replace(/^.*\/dist\/src\//, "src/")
    .replace(/^.*\/node_modules\//, "");
  return path ? `${functionName || "(anonymous)"} ${path}:${lineNumber + 1}` : functionName;
}

/** The functions in which a process spent most of its time, themselves and not what they called. */
export async function costsIn(folder: string): Promise<Cost[]> {
  const [file] = (await readdir(folder)).filter((name) => name.endsWith(".cpuprofile"));
  if (!file) throw new Error(`${folder} has no profile: the server did not end by itself`);
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(join(folder, file), "utf8")) as Profile;
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [n, id] of samples.entries()) {
    const name = names.get(id) ?? "";
    if (idle.has(name)) continue;
    const time = timeDeltas[n] ?? 0;
    busy += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  const sorted = [...times].sort(([, one], [, other]) => other - one);
  return sorted.slice(0, most).map(([where, time]) => ({ where, part: time / busy }));
}
