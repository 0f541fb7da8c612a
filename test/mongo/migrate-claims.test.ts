import type { Db } from "mongodb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StartError } from "../../src/kernel/errors.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { type MigrateOptions, migrateDown, migrateUp, migrationStatus } from "../../src/mongo/migrate.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Migrator, migrationFolder, spawnMigrator } from "../support/migrator.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

/** Owners that have asked for a claim, told by the database's own record of what it was asked. */
async function contenders(): Promise<string[]> {
  const asked = await db
    .collection("system.profile")
    .find({ ns: /sluice_migrations$/, op: "command" })
    .toArray();
  const owners = asked.map((entry) => /"owner":\{"\$literal":"([^"]+)"/.exec(JSON.stringify(entry))?.[1]);
  return [...new Set(owners.filter((owner) => owner !== undefined))];
}

/** Notes that it has begun, and goes on only when the test has written "go". */
const patient = (name: string) => `
  const step = (db, what) => db.collection("steps").insertOne({ name: "${name}", what, pid: process.pid, at: new Date() });
  export async function up({ db }) {
    await step(db, "begun");
    while (!(await db.collection("signals").findOne({ _id: "go ${name}" })))
      await new Promise((resolve) => setTimeout(resolve, 20));
    await step(db, "ended");
  }
  export const down = ({ db }) => step(db, "taken back");`;

const quick = (name: string) => `
  const step = (db, what) => db.collection("steps").insertOne({ name: "${name}", what, pid: process.pid });
  export const up = ({ db }) => step(db, "ended");
  export const down = ({ db }) => step(db, "taken back");`;

const log = createRecorder();
let count = 0;
let url: string;
let link: MongoLink;
let db: Db;
let options: MigrateOptions & { folder: string };
let removeFolder: () => void;
let started: Migrator[];

function write(files: Record<string, string>): void {
  const made = migrationFolder(files);
  removeFolder = made.remove;
  options = { url, log, folder: made.folder, leaseMs: 6_000, waitMs: 30_000 };
}

function spawn(): Migrator {
  const { log: _, ...rest } = options;
  const migrator = spawnMigrator(rest);
  started.push(migrator);
  return migrator;
}

const steps = async (what: string, name?: string) =>
  db
    .collection("steps")
    .find({ what, ...(name ? { name } : {}) })
    .toArray();
const begun = (name: string) => until(async () => (await steps("begun", name))[0], { timeoutMs: 20_000 });
const go = (name: string) => db.collection<{ _id: string }>("signals").insertOne({ _id: `go ${name}` });
const states = async () => (await migrationStatus(options)).map(({ state }) => state);
const record = (name: string) =>
  db.collection<{ _id: string; owner: string; leaseUntil: Date }>("sluice_migrations").findOne({ _id: name });

beforeEach(async () => {
  url = mongoUrl(`claims-${++count}`);
  link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 5, log });
  db = link.db;
  started = [];
});
afterEach(async () => {
  for (const { process } of started) process.kill("SIGKILL");
  await Promise.all(started.map(({ ended }) => ended));
  removeFolder();
  await link.close();
  await dropDatabase(url);
});

describe("two migrators at once", () => {
  it("run each migration once, and both end when all are done", { timeout: 60_000 }, async () => {
    write({ "001-a.js": patient("a"), "002-b.js": quick("b"), "003-c.js": patient("c"), "004-d.js": quick("d") });
    await db.setProfilingLevel("all");
    const migrators = [spawn(), spawn()];
    await until(async () => (await contenders()).length === 2, { timeoutMs: 20_000, describe: contenders });
    await begun("a");
    expect(await steps("begun")).toHaveLength(1);
    await go("a");
    await begun("c");
    await go("c");
    for (const { ended } of migrators) expect(await ended).toMatchObject({ code: 0 });
    expect((await steps("ended")).map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
    expect(await steps("begun")).toHaveLength(2);
    expect(await states()).toEqual(["done", "done", "done", "done"]);
  });

  it("wait for each other no longer than they are told to, and say for whom", async () => {
    write({ "001-a.js": patient("a") });
    const first = migrateUp(options);
    await begun("a");
    const owner = (await record("001-a"))?.owner;
    const second = await migrateUp({ ...options, waitMs: 300 }).catch((e: unknown) => e);
    expect(second).toBeInstanceOf(StartError);
    expect((second as Error).message).toBe(
      `Migration 001-a is still being run by ${owner} after 0.3 s. Start again when it is done.`,
    );
    await go("a");
    expect(await first).toEqual(["001-a"]);
    expect(await steps("ended")).toHaveLength(1);
  });

  it("stop waiting when they are told to stop", async () => {
    write({ "001-a.js": patient("a") });
    const first = migrateUp(options);
    await begun("a");
    const stop = new AbortController();
    const second = migrateUp({ ...options, signal: stop.signal });
    const outcome = second.catch((e: unknown) => e);
    stop.abort();
    expect(await outcome).toMatchObject({
      message: expect.stringMatching(/^Stopped while waiting for migration 001-a/),
    });
    await go("a");
    await first;
  });
});

describe("a migrator that is killed", () => {
  it("is relieved by a waiting one when its lease is out, not before", { timeout: 60_000 }, async () => {
    write({ "001-a.js": quick("a"), "002-b.js": patient("b"), "003-c.js": quick("c") });
    options.leaseMs = 2_000;
    const doomed = spawn();
    await begun("b");
    doomed.process.kill("SIGKILL");
    expect(await doomed.ended).toMatchObject({ signal: "SIGKILL" });
    const lost = await record("002-b");
    const relief = migrateUp(options);
    await until(async () => (await steps("begun", "b")).length === 2, { timeoutMs: 15_000 });
    const again = (await steps("begun", "b")).at(-1)?.at.getTime();
    expect(again).toBeGreaterThanOrEqual(lost?.leaseUntil.getTime() ?? Number.POSITIVE_INFINITY);
    expect((await record("002-b"))?.owner).not.toBe(lost?.owner);
    await go("b");
    expect(await relief).toEqual(["002-b", "003-c"]);
    expect((await steps("ended")).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  it("keeps its claim while it lives, however long a migration takes", async () => {
    write({ "001-a.js": patient("a") });
    const slow = migrateUp({ ...options, leaseMs: 2_500 });
    await begun("a");
    const first = await db.collection("sluice_migrations").findOne({});
    // More than a lease later it is still the only one that has begun.
    const other = migrateUp({ ...options, leaseMs: 2_500 });
    await until(async () => {
      const now = await db.collection("sluice_migrations").findOne({});
      return now?.leaseUntil.getTime() > first?.leaseUntil.getTime() + 3_000;
    });
    expect(await steps("begun")).toHaveLength(1);
    await go("a");
    await Promise.all([slow, other]);
    expect(await steps("ended")).toHaveLength(1);
  });

  it("gives up when another has its claim", async () => {
    write({ "001-a.js": patient("a"), "002-b.js": quick("b") });
    const robbed = migrateUp(options);
    const outcome = robbed.catch((e: unknown) => e);
    await begun("a");
    await db.collection("sluice_migrations").updateOne({}, { $set: { owner: "somebody else" } });
    expect(await outcome).toMatchObject({ message: expect.stringMatching(/^Migration 001-a was given up/) });
    expect(await steps("ended")).toEqual([]);
    expect((await record("001-a"))?.owner).toBe("somebody else");
  });
});

describe("a migration that fails", () => {
  it("ends the run with one plain line, and is tried again by the next", async () => {
    const needsSalt = `export async function up({ db }) {
      if (!(await db.collection("signals").findOne({ _id: "salt" }))) throw new Error("no salt in the kitchen");
    }
    export async function down() {}`;
    write({ "001-a.js": quick("a"), "002-b.js": needsSalt, "003-c.js": quick("c") });
    const error = await migrateUp(options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StartError);
    expect((error as Error).message).toBe("Migration 002-b failed, and none after it was run: no salt in the kitchen");
    expect(await states()).toEqual(["done", "failed", "pending"]);
    await db.collection<{ _id: string }>("signals").insertOne({ _id: "salt" });
    expect(await migrateUp(options)).toEqual(["002-b", "003-c"]);
  });

  it("half way down can be taken down again, or up", async () => {
    const stuck = `${quick("a").replace(/export const down.*/s, "")}
      export async function down({ db }) { throw new Error("stuck"); }`;
    write({ "001-a.js": stuck });
    await migrateUp(options);
    await expect(migrateDown(options)).rejects.toThrow(/^Migration 001-a failed, and none after it was run: stuck/);
    await expect(migrateDown(options)).rejects.toThrow(/stuck/);
    expect(await states()).toEqual(["failed"]);
    expect(await migrateUp(options)).toEqual(["001-a"]);
    expect(await states()).toEqual(["done"]);
  });

  it("is told apart from a database that is away", async () => {
    write({ "001-a.js": quick("a") });
    const away = migrateUp({ ...options, url: "mongodb://127.0.0.1:1/x", startTimeoutMs: 300 });
    await expect(away).rejects.toThrow(/^MongoDB at 127\.0\.0\.1:1 did not answer/);
  });
});
