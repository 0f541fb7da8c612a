import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { homedir, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import mongoose from "mongoose";
import type { EmbeddedMongoOptions } from "../../src/embedded/find-mongod.ts";
import { defaultCacheDir } from "../../src/embedded/index.ts";
import type { Log } from "../../src/kernel/log.ts";
import { createEnds } from "../support/ends.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The search path of this run. */
export const searchPath = process.env.PATH ?? "";

export function optionsFor(dataDir: string, more: Partial<EmbeddedMongoOptions> = {}): EmbeddedMongoOptions {
  return {
    dataDir,
    cacheDir: defaultCacheDir(process.env.XDG_CACHE_HOME, homedir()),
    searchPath,
    systemBinary: "",
    downloadTimeoutMs: 15_000,
    log: silent,
    say() {},
    ...more,
  };
}

/** Collects what has to be given back at the end of a test; the last is released first. */
export function createCleanup() {
  const ends = createEnds();
  return {
    add: ends.add,
    async folder(): Promise<string> {
      const dir = await mkdtemp(join(tmpdir(), "sluice-embedded-"));
      ends.add({ close: () => rm(dir, { recursive: true, force: true }) });
      return dir;
    },
    run: ends.close,
  };
}

export async function withMongo<T>(url: string, use: (db: mongoose.mongo.Db) => Promise<T>): Promise<T> {
  const client = new mongoose.mongo.MongoClient(url, { serverSelectionTimeoutMS: 10_000 });
  try {
    return await use(client.db());
  } finally {
    await client.close();
  }
}

export const portOf = (url: string) => Number(/:(\d+)/.exec(url.replace("://", ""))?.[1]);

/** The addresses under which other hosts would reach this one. */
export function outerAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal, family }) => !internal && family === "IPv4").map(({ address }) => address),
  );
}

export function reachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 5_000 });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket
      .once("connect", () => done(true))
      .once("error", () => done(false))
      .once("timeout", () => done(false));
  });
}
