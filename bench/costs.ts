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
import { startSide } from "./mixed/side.ts";
import { seed } from "./stage/seed.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";
import { ratioOf } from "./support/sums.ts";

const size = { users: 500, channels: 50, messages: 50_000 };
const rooms = ["channel-0", "channel-1", "channel-2", "channel-3", "channel-4", "channel-5"];
const people = 300;
const rate = 400;

const tableOf = (title: string, costs: readonly Cost[]) => ({
  title,
  head: ["where", "share"],
  rows: costs.map(({ where, part }) => [where, `${(part * 100).toFixed(1)} %`]),
});

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
    let share = 0;
    let [from, to] = [0, 0];
    try {
      await profiled.live(ms, rate);
      from = clock();
      const { hits, requests } = await profiled.live(ms * rounds, rate);
      to = clock();
      share = hits / requests;
    } finally {
      await profiled.close();
    }
    const costs = await costsIn(folder, from, to);
    const report = {
      kind: "bench" as const,
      name: "costs",
      what: `what the server's processor is busy with under the mixed load of ${people} people, ${rate} actions a second`,
      tables: [
        tableOf("of the processor's time, by whom it is spent for", costs.behalf),
        tableOf("of the processor's time, by where it is spent", costs.inside),
      ],
      healthy: [{ phase: "while it was looked at", share, least: 0.8 }],
      failures: [],
    };
    const figures = [tokenCost(rounds), await sendingCost(rounds), listingCost(rounds)];
    if (!other) return { ...report, figures };

    const [here, there] = [
      await startSide({ ...options, name: "here", env }),
      await startSide({ ...options, name: "there", env, how: { root: other } }),
    ];
    const cpu = { here: [] as number[], there: [] as number[] };
    try {
      for (let turn = -1; turn < rounds; turn += 1)
        for (const side of turn % 2 === 0 ? [here, there] : [there, here]) {
          const lived = await side.live(ms, rate);
          if (turn >= 0) cpu[side === here ? "here" : "there"].push((lived.cpu / lived.actions) * 1e6);
        }
    } finally {
      await here.close();
      await there.close();
    }
    const figure = {
      name: "µs of CPU for an action of the mixed load, after / before",
      ...ratioOf(cpu.here, cpu.there),
    };
    return { ...report, figures: [...figures, { ...figure, unit: "×", target: 1, atMost: true }] };
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
