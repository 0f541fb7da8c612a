import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mongoose from "mongoose";
import { inject } from "vitest";
import { type Guarded, spawnGuarded } from "../../src/embedded/guardian.ts";
import { onFreePort } from "./redis-process.ts";
import { until } from "./until.ts";

/** A mongod of a test's own, for what the one that all share must not suffer. */
export interface OwnMongod {
  readonly url: string;
  /** SIGSTOP: connections stay, nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL; the data stays for `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

const replicaSetName = "own";

async function withAdmin<T>(url: string, work: (admin: mongoose.mongo.Db) => Promise<T>): Promise<T> {
  const client = new mongoose.mongo.MongoClient(url, { serverSelectionTimeoutMS: 10_000 });
  try {
    return await work(client.db("admin"));
  } finally {
    await client.close();
  }
}

/** The program that serves the run: whatever was found or downloaded for it does for this one too. */
async function programOfTheRun(): Promise<string> {
  const { argv } = await withAdmin(inject("mongo").url, (admin) => admin.command({ getCmdLineOpts: 1 }));
  return argv[0];
}

async function serves(port: number, replicaSet: boolean): Promise<boolean> {
  return withAdmin(`mongodb://127.0.0.1:${port}/?directConnection=true`, async (admin) => {
    const hello = await admin.command({ hello: 1 });
    if (hello.isWritablePrimary) return true;
    const config = { _id: replicaSetName, members: [{ _id: 0, host: `127.0.0.1:${port}` }] };
    if (replicaSet && !hello.setName) await admin.command({ replSetInitiate: config }).catch(() => undefined);
    return false;
  });
}

export async function startMongod({ replicaSet = true } = {}): Promise<OwnMongod> {
  const program = await programOfTheRun();
  const dir = mkdtempSync(join(tmpdir(), "sluice-mongod-"));
  let running: Guarded | undefined;
  let pid = 0;

  /** Undefined when somebody else had the port. */
  async function start(port: number): Promise<number | undefined> {
    let ended = false;
    const output = await open(join(dir, "output.log"), "a");
    const set = replicaSet ? ["--replSet", replicaSetName] : [];
    const limits = ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"];
    const where = ["--dbpath", dir, "--port", String(port), "--bind_ip", "127.0.0.1", "--nounixsocket"];
    running = await spawnGuarded({ command: program, args: [...where, ...set, ...limits], output: output.fd });
    await output.close();
    void running.exited.then(() => {
      ended = true;
    });
    pid = (await running.programPid) ?? 0;
    await until(async () => ended || (await serves(port, replicaSet)), {
      timeoutMs: 30_000,
      describe: `mongod on port ${port}`,
    });
    return ended ? undefined : port;
  }
  const port = await onFreePort(start);
  const signal = (name: NodeJS.Signals) => void process.kill(pid, name);
  const url = `mongodb://127.0.0.1:${port}/own${replicaSet ? `?replicaSet=${replicaSetName}` : ""}`;
  return {
    url,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    async kill() {
      signal("SIGKILL");
      await running?.exited;
      running = undefined;
    },
    start: () =>
      until(() => start(port), { timeoutMs: 30_000, describe: `mongod on port ${port} again` }).then(() => undefined),
    async remove() {
      if (running) {
        signal("SIGCONT");
        await running.end();
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
