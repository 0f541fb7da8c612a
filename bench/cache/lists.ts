import { brotliCompressSync, constants } from "node:zlib";
import type { Db } from "mongodb";
import { startPeer } from "../stage/processes.ts";
import type { createTally } from "../stage/schedule.ts";
import type { Visitor } from "../stage/seed.ts";
import { type Figure, type Healthy, percent, times as ratio, type Table } from "../support/report.ts";
import { rounds as inTurns } from "../support/rounds.ts";
import { ratioOf } from "../support/sums.ts";
import {
  hardlyCompared,
  leastShareOf,
  type Round,
  type Rounds,
  roundsHead,
  rowOf,
  speedsOf,
  statusShare,
  timesLess,
} from "./rounds.ts";
import type { Side } from "./sides.ts";
import { amongWrites } from "./writes.ts";

/** What has been found out so far. */
export interface Findings {
  tables: Table[];
  figures: Figure[];
  healthy: Healthy[];
  failures: string[];
}

export interface Measure {
  sides: Side[];
  rounds: Rounds;
  visitors: Visitor[];
  db: Db;
  found: Findings;
  /** What was written meanwhile. */
  written: ReturnType<typeof createTally>;
  times: number;
  ms: number;
}

/**
 * How many times more of each a second: from memory, from Redis alone, and from memory beside bare Express; how many times
 * sooner each is there. `unchanged`: in %,
 * how many of those who have a list already, which changes about twice a second, are to be told that it is the same.
 */
const targets: Record<string, { near: number; far?: number; beside?: number; unchanged?: number; sooner?: number }> = {
  "/api/users": { near: 30, far: 10, beside: 1.5, unchanged: 90 },
  "/api/channels": { near: 20, far: 5, beside: 1.5, unchanged: 90 },
  // The one that is written to.
  "/api/channels/channel-0/messages": { near: 20, sooner: 20 },
};

const names = ["Redis off", "Redis only (L1 off)", "L1", "304", "bare Express"];

async function bodyOf(port: number, path: string, token: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Authorization: `Bearer ${token}` } });
  const body = Buffer.from(await response.arrayBuffer());
  return brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }).toString("base64");
}

/** Each list and a history by itself, while there are writes. */
export async function measureLists({ sides, rounds, visitors, db, found, written, times, ms }: Measure): Promise<void> {
  const paths = Object.keys(targets);
  const bodies: Record<string, string> = {};
  for (const path of paths) bodies[path] = await bodyOf(sides[0]?.port ?? 0, path, visitors[0]?.token ?? "");
  const bare = await startPeer("../cache/bare", { bodies });
  const results = new Map<string, Round[]>();

  /** By path and name. */
  async function measure(side: Side, path: string, at: number): Promise<Map<string, Round>> {
    const own = new Map<string, Round>();
    const run = async (name: string, server: typeof bare, more: { check?: boolean; conditional?: boolean } = {}) => {
      const one = await rounds.run({ name: `${path}, ${name}`, server, paths: [path], ms, ...more });
      own.set(`${path} ${name}`, one);
    };
    await side.forgive();
    const others = [
      () => run("L1", side),
      () => run("304", side, { conditional: true }),
      // With the same going on beside it.
      () => run("bare Express", bare, { check: false }),
    ];
    await amongWrites(side.url, { db, visitors, written }, async () => {
      await rounds.warmUp({ name: `${path}, ${side.name}, warm-up`, server: side, paths: [path], ms });
      if (side.name !== "L1") await run(side.name, side);
      else for (const other of at % 2 === 0 ? others : others.reverse()) await other();
    });
    return own;
  }

  try {
    const each = paths.flatMap((path) => sides.map((side) => ({ path, side })));
    const measured = await inTurns(each, times, ({ path, side }, at) => measure(side, path, at), { warm: 1 });
    for (const [key, one] of [...measured.values()].flat().flatMap((of) => [...of]))
      results.set(key, [...(results.get(key) ?? []), one]);
  } finally {
    await bare.close();
  }

  const of = (path: string, name: string) => results.get(`${path} ${name}`) ?? [];
  for (const path of paths) {
    const bytes = Buffer.byteLength(bodies[path] ?? "", "base64");
    const beside = (one: string, other: string) => ratioOf(speedsOf(of(path, one)), speedsOf(of(path, other)));
    const rows = names.map((name) => [
      name,
      ratio(beside(name, "Redis off").value, 1),
      ...rowOf(of(path, name)),
      percent(100 * statusShare(of(path, name), "304"), 1),
    ]);
    found.tables.push({
      title: `GET ${path}, ${bytes} bytes packed`,
      head: ["side", "beside Redis off", ...roundsHead, "answered 304"],
      rows,
    });
    const { near, far, beside: bareTarget, unchanged, sooner } = targets[path] ?? {};
    const figure = (name: string, one: string, other: string, target?: number) =>
      found.figures.push({ name, ...beside(one, other), unit: "×", ...(target && { target }) });
    figure(`${path} from L1`, "L1", "Redis off", near);
    figure(`${path} with L1 off`, "Redis only (L1 off)", "Redis off", far);
    figure(`${path} from L1 beside bare Express`, "L1", "bare Express", bareTarget);
    figure(`${path} 304 beside L1`, "304", "L1", unchanged && 1);
    const waits = (name: string) => of(path, name).map(({ p50 }) => p50);
    const there = { name: `${path}, sooner there`, ...timesLess(waits("L1"), waits("Redis off")), unit: "×" };
    found.figures.push({ ...there, ...(sooner && { target: sooner }) });
    const same = 100 * statusShare(of(path, "304"), "304");
    const told = `${path}, answered 304 of what one has`;
    found.figures.push({ name: told, value: same, unit: " %", ...(unchanged && { target: unchanged }) });
    if (unchanged && !(same >= unchanged)) found.failures.push(`${told}: ${same.toFixed(1)} %`);
    for (const [name, sources] of [
      ["L1", ["l1", "redis"]],
      ["Redis only (L1 off)", ["redis"]],
    ] as const)
      found.healthy.push({ phase: `${path}, ${name}`, share: leastShareOf(of(path, name), sources), least: 0.9 });
    for (const name of [...sides.map((side) => side.name), "304"])
      found.failures.push(...hardlyCompared(`${path}, ${name}`, of(path, name)));
  }
}
