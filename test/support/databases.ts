import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mongoose from "mongoose";
import { inject } from "vitest";
import type { TestProject } from "vitest/node";
import { defaultCacheDir, startEmbeddedMongo } from "../../src/embedded/index.ts";
import type { Log } from "../../src/kernel/log.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The MongoDB of this run, and the mark that tells its databases from those of other runs on the same server. */
    mongo: { url: string; run: string };
  }
}

const complain = (fields: object, message: string) => console.error(message, fields);
const quiet: Log = { debug() {}, info() {}, warn: complain, error: complain };

/** Vitest's global set-up: one MongoDB for the whole run, `MONGODB_TEST_URL` or an embedded one on a folder of its own. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const run = randomBytes(4).toString("hex");
  const given = process.env.MONGODB_TEST_URL;
  if (given) {
    project.provide("mongo", { url: given, run });
    return undefined;
  }
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-test-"));
  const forget = () => rm(dataDir, { recursive: true, force: true });
  try {
    const mongo = await startEmbeddedMongo({
      dataDir,
      cacheDir: defaultCacheDir(process.env.XDG_CACHE_HOME),
      searchPath: process.env.PATH ?? "",
      systemBinary: process.env.MONGOMS_SYSTEM_BINARY ?? "",
      downloadTimeoutMs: 15_000,
      log: quiet,
      say: (line) => console.log(line),
    });
    project.provide("mongo", { url: mongo.url, run });
    return async () => {
      await mongo.close();
      await forget();
    };
  } catch (error) {
    await forget();
    throw error;
  }
}

/** The same server, with another database; who logs in keeps the database that knows the user. */
export function withDatabase(url: string, name: string): string {
  const [, server, database = "", query = ""] =
    /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url) ?? [];
  if (!server) throw new Error(`MONGODB_TEST_URL: "${url}" is not a MongoDB URL`);
  const options = new URLSearchParams(query);
  if (server.includes("@") && !options.has("authSource")) options.set("authSource", database || "admin");
  return `${server}/${name}${options.size > 0 ? `?${options}` : ""}`;
}

/** A URL whose database no other file and no other run uses. */
export function mongoUrl(name: string): string {
  const { url, run } = inject("mongo");
  return withDatabase(url, `test-${run}-${process.pid}-${name.replace(/[^\w-]/g, "-")}`.slice(0, 60));
}

/** Drops the database that `mongoUrl` named; one call in `afterAll`. */
export async function dropDatabase(url: string): Promise<void> {
  const client = new mongoose.mongo.MongoClient(url);
  try {
    await client.db().dropDatabase();
  } finally {
    await client.close();
  }
}
