import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface Frame {
  functionName: string;
  url: string;
  lineNumber: number;
}

interface Profile {
  /** µs of the machine's clock. */
  startTime: number;
  nodes: { id: number; callFrame: Frame; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

export interface Cost {
  where: string;
  /** Of the time that the processor was busy. */
  part: number;
}

export interface Costs {
  /** The functions in which the time is spent themselves. */
  inside: Cost[];
  /** The function of the product, or else the package, that it is spent for: the nearest one up the stack. */
  behalf: Cost[];
}

const most = 12;
const idle = new Set(["(idle)", "(root)"]);

const placeOf = (url: string) =>
  url
    .replace(/^file:\/\//, "")
    .replace(/^.*\/dist\/src\//, "src/")
    .replace(/^.*\/node_modules\//, "");

const nameOf = ({ functionName, url, lineNumber }: Frame) =>
  url ? `${functionName || "(anonymous)"} ${placeOf(url)}:${lineNumber + 1}` : functionName;

function largest(times: ReadonlyMap<string, number>, busy: number): Cost[] {
  const sorted = [...times].sort(([, one], [, other]) => other - one);
  return sorted.slice(0, most).map(([where, time]) => ({ where, part: time / busy }));
}

/** µs of the clock that profiles go by. */
export const clock = () => Number(process.hrtime.bigint() / 1_000n);

/** What was spent between two times of `clock`, so that neither the start nor the end of the process counts. */
export async function costsIn(folder: string, from: number, to: number): Promise<Costs> {
  const [file] = (await readdir(folder)).filter((name) => name.endsWith(".cpuprofile"));
  if (!file) throw new Error(`${folder} has no profile: the server did not end by itself`);
  const { startTime, nodes, samples, timeDeltas } = JSON.parse(await readFile(join(folder, file), "utf8")) as Profile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));

  function ownerOf(id: number): string {
    let outermost = "Node itself";
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { functionName, url } = frames.get(at) ?? { functionName: "", url: "" };
      const place = placeOf(url);
      if (place.startsWith("src/")) return `${functionName || "(anonymous)"} ${place}`;
      if (url.includes("/node_modules/")) outermost = /^(@[^/]+\/)?[^/]+/.exec(place)?.[0] ?? place;
    }
    return outermost;
  }

  const [inside, behalf] = [new Map<string, number>(), new Map<string, number>()];
  let busy = 0;
  let at = startTime;
  const add = (to: Map<string, number>, name: string, time: number) => to.set(name, (to.get(name) ?? 0) + time);
  for (const [n, id] of samples.entries()) {
    const frame = frames.get(id);
    const time = timeDeltas[n] ?? 0;
    at += time;
    if (!frame || idle.has(frame.functionName) || at < from || at > to) continue;
    busy += time;
    add(inside, nameOf(frame), time);
    add(behalf, ownerOf(id), time);
  }
  if (busy === 0) throw new Error(`${join(folder, file)} has nothing of the time that was looked at`);
  return { inside: largest(inside, busy), behalf: largest(behalf, busy) };
}
