import { readdir } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MigrationError, type RunnableMigration, Umzug, type UmzugStorage } from "umzug";
import { messageOf, StartError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { bounded } from "./bounded.ts";
import { type Claim, type Claims, createClaims, type Direction } from "./claims.ts";
import { connectMongo, type MongoLink } from "./connect.ts";
import type { Migration } from "./migration.ts";

export interface MigrateOptions {
  url: string;
  log: Log;
  sessionCollection?: string;
  /** Where the migrations are; by default those of this product. */
  folder?: string;
  /** How long a migrator that died keeps its claim. */
  leaseMs?: number;
  /** How long to wait for a migration that another migrator runs. */
  waitMs?: number;
  /** How long to try to reach the database at all. */
  startTimeoutMs?: number;
  /** Stops waiting; a migration that has begun is let end. */
  signal?: AbortSignal;
}

export interface MigrationStatus {
  name: string;
  /** `unknown`: done by a newer version than this one. */
  state: "done" | "pending" | "running" | "failed" | "unknown";
  finishedAt?: Date;
  /** Who runs it, or did last: host:pid:mark. */
  owner?: string;
}

const ANSWER_MS = 10_000;
const LONGEST_MS = 6 * 3_600_000;
// Beside this module, as source and as built.
const shipped = fileURLToPath(new URL("../../migrations/", import.meta.url));

async function filesIn(folder: string): Promise<{ name: string; file: string }[]> {
  const files = (await readdir(folder)).filter((file) => /^\d{3}-[\w-]+\.[jt]s$/.test(file)).sort();
  return files.map((file) => ({ name: file.slice(0, -3), file: `${folder}/${file}` }));
}

/** The names of all that this version knows, in order. */
export async function knownMigrations(folder: string = shipped): Promise<string[]> {
  return (await filesIn(folder)).map(({ name }) => name);
}

async function load(file: string): Promise<Migration> {
  return (await import(pathToFileURL(file).href)) as Migration;
}

interface Bench {
  umzug: Umzug<object>;
  claims: Claims;
  names: string[];
}

/** Umzug asks the claims what is to be done; each migration runs only under a claim, and is over when that is. */
async function createBench(link: MongoLink, options: MigrateOptions, direction: Direction): Promise<Bench> {
  const { log, sessionCollection = "sessions", folder = shipped, leaseMs = 30_000, waitMs = 600_000 } = options;
  const claims = createClaims({ db: bounded(link.db, ANSWER_MS), leaseMs, waitMs, signal: options.signal });
  const held = new Map<string, Claim>();

  async function run(name: string, file: string): Promise<void> {
    const claim = await claims.take(name, direction);
    if (!claim) return;
    held.set(name, claim);
    log.info({ migration: name, direction }, `Migration ${name} begins (${direction})`);
    try {
      const migration = await load(file);
      await Promise.race([migration[direction]({ db: link.db, log, claim, sessionCollection }), claim.lost]);
    } catch (error) {
      held.delete(name);
      await claim.fail().catch(() => undefined);
      throw error;
    }
  }

  async function finish({ name }: { name: string }): Promise<void> {
    await held.get(name)?.finish();
    held.delete(name);
  }

  const known = await filesIn(folder);
  const storage: UmzugStorage<object> = {
    logMigration: finish,
    unlogMigration: finish,
    // Half a migration, either way, is there to be completed by up and to be taken back by down.
    async executed() {
      const records = await claims.records();
      return records.filter(({ state }) => direction === "down" || state === "done").map(({ _id }) => _id);
    },
  };
  const migrations: RunnableMigration<object>[] = known.map(({ name, file }) => {
    const go = () => run(name, file);
    return { name, path: file, up: go, down: go };
  });
  return {
    umzug: new Umzug({ migrations, storage, context: {}, logger: undefined }),
    claims,
    names: known.map(({ name }) => name),
  };
}

/** Umzug tells which migration it was; everything else happened between the database and us. */
function plain(error: unknown): StartError {
  const cause = error instanceof MigrationError ? error.cause : error;
  if (cause instanceof StartError) return cause;
  if (!(error instanceof MigrationError))
    return new StartError(`The migrations were not run: ${messageOf(error)}`, { cause });
  const { name } = error.migration;
  return new StartError(`Migration ${name} failed, and none after it was run: ${messageOf(cause)}`, { cause });
}

async function withBench<T>(
  options: MigrateOptions,
  direction: Direction,
  work: (bench: Bench) => Promise<T>,
): Promise<T> {
  const { url, log, startTimeoutMs = ANSWER_MS } = options;
  const limits = { timeoutMs: ANSWER_MS, longestMs: LONGEST_MS, startTimeoutMs };
  const link = await connectMongo({ url, log, ...limits, poolSize: 4 });
  try {
    return await work(await createBench(link, options, direction));
  } catch (error) {
    throw plain(error);
  } finally {
    await link.close();
  }
}

/** Runs what is not done yet, in order; answers the names of what is done now and was not before. */
export function migrateUp(options: MigrateOptions): Promise<string[]> {
  return withBench(options, "up", async ({ umzug }) => (await umzug.up()).map(({ name }) => name));
}

function named(names: string[], to: string): string {
  const name = names.find((known) => known === to || Number(known.slice(0, 3)) === Number(to));
  if (!name) throw new StartError(`There is no migration "${to}". There are: ${names.join(", ")}.`);
  return name;
}

/** Takes back the newest, or every one back to and including `to` (a name or number; "0" for all). */
export function migrateDown(options: MigrateOptions, to?: string): Promise<string[]> {
  return withBench(options, "down", async ({ umzug, names }) => {
    const target = to === undefined ? {} : { to: Number(to) === 0 ? (0 as const) : named(names, to) };
    return (await umzug.down(target)).map(({ name }) => name);
  });
}

/** What `migrateUp` would run. */
export function wouldMigrateUp(options: MigrateOptions): Promise<string[]> {
  return withBench(options, "up", async ({ umzug }) => (await umzug.pending()).map(({ name }) => name));
}

/** What `migrateDown` would take back, the newest first. */
export function wouldMigrateDown(options: MigrateOptions, to?: string): Promise<string[]> {
  return withBench(options, "down", async ({ umzug, names }) => {
    const there = (await umzug.executed()).map(({ name }) => name).reverse();
    if (to === undefined) return there.slice(0, 1);
    return Number(to) === 0 ? there : there.filter((name) => name >= named(names, to));
  });
}

/** Every migration that this version or the database knows of, in order. */
export function migrationStatus(options: MigrateOptions): Promise<MigrationStatus[]> {
  return withBench(options, "up", async ({ claims, names }) => {
    const records = new Map((await claims.records()).map((record) => [record._id, record]));
    return [...new Set([...names, ...records.keys()])].sort().map((name) => {
      const record = records.get(name);
      if (!record) return { name, state: "pending" };
      const { state, owner, finishedAt } = record;
      return { name, state: names.includes(name) ? state : "unknown", owner, ...(finishedAt ? { finishedAt } : {}) };
    });
  });
}

/** What the start of a server does: brings the database up to date, or ends the start with one plain line. */
export async function migrateAtStart(options: MigrateOptions): Promise<void> {
  const done = await migrateUp(options);
  if (done.length > 0) options.log.info({ migrations: done }, `The database is up to date: ${done.join(", ")}`);
}
