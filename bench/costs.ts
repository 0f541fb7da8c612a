import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { listingCost } from "./costs/listing.ts";
import { type Cost, clock, costsIn } from "./costs/profile.ts";
import { sendingCost } from "./costs/sending.ts";
import { tokenCost } from "./costs/tokens.ts";
import { type Side, startSide } from "./mixed/side.ts";
import { leastDone } from "./stage/schedule.ts";
import { seed } from "./stage/seed.ts";
import type { RunOptions } from "./support/conduct.ts";
import { type Cell, type Figure, percent, perSecond, type Report } from "./support/report.ts";
import { rounds as inTurns } from "./support/rounds.ts";
import { median, ratioOf } from "./support/sums.ts";

const size = { users: 500, channels: 50, messages: 50_000 };
const rooms = ["channel-0", "channel-1", "channel-2", "channel-3", "channel-4", "channel-5"];
const people = 300;
const rate = 400;

const tableOf = (title: string, costs: readonly Cost[]) => ({
  title,
  head: ["where", "share"],
  rows: costs.map(({ where, part }): Cell[] => [where, percent(part * 100, 1)]),
});

interface Load {
  readonly name: string;
  /** Actions a second. */
  readonly reached: number;
}

const loadTable = (loads: readonly Load[]) => ({
  title: "the load",
  head: ["", "stated", "reached"],
  rows: loads.map(({ name, reached }): Cell[] => [name, perSecond(rate), perSecond(reached, 0)]),
});

const fallenShort = (loads: readonly Load[]) =>
  loads
    .filter(({ reached }) => !(reached >= leastDone * rate))
    .map(({ name, reached }) => `${name}: ${reached.toFixed(0)} of ${rate} actions a second were done`);

/**
 * What the server's processor is busy with under the mixed load; and, given the folder of another build, what an action
 * costs here and there: `npm run bench -- costs [folder]`.
 */
async function measure(mongoUrl: string, rounds: number, ms: number, other: string | undefined): Promise<Report> {
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const folder = await mkdtemp(join(tmpdir(), "sluice-profile-"));
  try {
    const visitors = (await seed(client.db(), size)).slice(0, people);
    const options = { mongoUrl, visitors, rooms };
    const env = { RATE_LIMITS: "off" };
    const nodeArgs = ["--cpu-prof", `--cpu-prof-dir=${folder}`];
    const profiled = await startSide({ ...options, name: "profiled", env, how: { nodeArgs } });
    const loads: Load[] = [];
    let share = 0;
    let [from, to] = [0, 0];
    try {
      await profiled.live(ms, rate);
      from = clock();
      const { hits, requests, actions } = await profiled.live(ms * rounds, rate);
      to = clock();
      share = hits / requests;
      loads.push({ name: "while it was looked at", reached: (actions * 1_000) / (ms * rounds) });
    } finally {
      await profiled.close();
    }
    const costs = await costsIn(folder, from, to);
    const figures: Figure[] = [await tokenCost(rounds), await sendingCost(rounds), await listingCost(rounds)];
    if (other) {
      const here = await startSide({ ...options, name: "here", env });
      const there = await startSide({ ...options, name: "there", env, how: { root: other } });
      try {
        const lived = await inTurns([here, there], rounds, (side) => side.live(ms, rate), { warm: 1 });
        const of = (side: Side) => lived.get(side) ?? [];
        const each = (side: Side) => of(side).map(({ cpu, actions }) => (cpu / actions) * 1e6);
        for (const side of [here, there])
          loads.push({ name: side.name, reached: (median(of(side).map(({ actions }) => actions)) * 1_000) / ms });
        const name = "µs of CPU for an action of the mixed load, after / before";
        figures.push({ name, ...ratioOf(each(here), each(there)), unit: "×", target: 1, atMost: true });
      } finally {
        await here.close();
        await there.close();
      }
    }
    return {
      kind: "bench",
      name: "costs",
      what: `what the server's processor is busy with under the mixed load of ${people} people, ${rate} actions a second`,
      tables: [
        tableOf("of the processor's time, by whom it is spent for", costs.behalf),
        tableOf("of the processor's time, by where it is spent", costs.inside),
        loadTable(loads),
      ],
      figures,
      healthy: [{ phase: "while it was looked at", share, least: 0.8 }],
      failures: fallenShort(loads),
    };
  } finally {
    await client.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function run({ short, args }: RunOptions): Promise<Report> {
  const [rounds, ms] = short ? [2, 4_000] : [5, 6_000];
  const other = args[0] && resolve(args[0]);
  if (other && !existsSync(join(other, "dist/src/main.js")))
    throw new Error(`${other} has no dist/src/main.js: build it`);
  return withMongo((mongoUrl) => measure(mongoUrl, rounds, ms, other || undefined));
}
