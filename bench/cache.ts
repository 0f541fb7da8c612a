import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { createEnds } from "../test/support/ends.ts";
import { histories } from "./cache/histories.ts";
import { type Findings, measureLists } from "./cache/lists.ts";
import { measureMix } from "./cache/mix.ts";
import { createRounds } from "./cache/rounds.ts";
import { type Side, startSide } from "./cache/sides.ts";
import { createTally } from "./stage/schedule.ts";
import { seed, sizes } from "./stage/seed.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";

const CONNECTIONS = 50;

/** The shipped server with its default configuration, with Redis and without, side by side. */
async function cacheBench(mongoUrl: string, times: number, ms: number): Promise<Findings> {
  const found: Findings = { tables: [], figures: [], healthy: [], failures: [] };
  const ends = createEnds();
  try {
    const db = ends.add(await mongoose.mongo.MongoClient.connect(mongoUrl)).db();
    const visitors = await seed(db);
    const sides: Side[] = [];
    for (const [name, env] of [
      ["Redis off", { DISABLE_REDIS: "true" }],
      ["Redis only (L1 off)", { CACHE_L1_MB: "0" }],
      ["L1", {}],
    ] as const) {
      sides.push(ends.add(await startSide(name, mongoUrl, env)));
    }
    const tokens = visitors.map(({ token }) => token);
    const rounds = ends.add(createRounds({ mongoUrl, tokens, connections: CONNECTIONS }));
    const written = createTally();
    const measure = { sides, rounds, visitors, db, found, written, times, ms };
    await measureLists(measure);
    await measureMix(measure);
    const { table, figures } = await histories(
      sides.filter(({ name }) => name !== "Redis only (L1 off)"),
      visitors,
    );
    found.tables.push(table, written.table("written while lists and histories were read"));
    found.figures.push(
      { name: "writes a second meanwhile", value: written.perSecond(), unit: "", target: 5 },
      { name: "answers compared with MongoDB", value: rounds.checked, unit: "" },
      { name: "wrong answers", value: rounds.wrong, unit: "", target: 0, atMost: true },
      ...figures,
    );
    found.failures.push(...rounds.failures(), ...written.failures());
    return found;
  } finally {
    await ends.close();
  }
}

export async function run({ short }: RunOptions): Promise<Report> {
  const [times, ms] = short ? [2, 900] : [3, 1_500];
  const found = await withMongo((mongoUrl) => cacheBench(mongoUrl, times, ms));
  const { users, channels, messages } = sizes;
  const what = `the shipped server without Redis, with Redis alone, and with what it keeps in memory, ${users} users, ${channels} channels, ${messages.toLocaleString("en")} messages, ${CONNECTIONS} connections, ${times} rounds in turns`;
  return { kind: "bench", name: "cache", what, ...found };
}
