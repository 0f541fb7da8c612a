import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mongoose from "mongoose";
import { freePort, type KitProcess, spawnKitProcess } from "../../test/support/redis-process.ts";
import { until } from "../../test/support/until.ts";

/** A member of a replica set of its own, with its files. */
export interface Member {
  readonly url: string;
  /** Its files, copied while it holds its writes back. */
  backup(to: string): Promise<void>;
  /** It dies, and its disk with it. */
  lose(): Promise<void>;
  /** Starts with those files. */
  restore(from: string): Promise<void>;
  close(): Promise<void>;
}

/** The program behind a MongoDB that runs on this machine. */
export async function programOf(url: string): Promise<string> {
  const client = new mongoose.mongo.MongoClient(url);
  try {
    const { argv } = await client.db("admin").command({ getCmdLineOpts: 1 });
    return argv[0];
  } finally {
    await client.close();
  }
}

export async function startMember(program: string): Promise<Member> {
  const dir = await mkdtemp(join(tmpdir(), "sluice-member-"));
  const port = await freePort();
  const name = "drill";
  let kit: KitProcess;

  async function withAdmin<T>(work: (admin: mongoose.mongo.Db) => Promise<T>): Promise<T> {
    const direct = `mongodb://127.0.0.1:${port}/?directConnection=true`;
    const client = new mongoose.mongo.MongoClient(direct, { serverSelectionTimeoutMS: 2_000 });
    try {
      return await work(client.db("admin"));
    } finally {
      await client.close();
    }
  }
  async function start(): Promise<void> {
    const where = ["--dbpath", dir, "--port", String(port), "--bind_ip", "127.0.0.1", "--nounixsocket"];
    const limits = ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"];
    kit = await spawnKitProcess(program, [...where, "--replSet", name, ...limits]);
    const writable = () =>
      withAdmin(async (admin) => {
        const hello = await admin.command({ hello: 1 });
        const config = { _id: name, members: [{ _id: 0, host: `127.0.0.1:${port}` }] };
        if (!hello.setName) await admin.command({ replSetInitiate: config }).catch(() => undefined);
        return hello.isWritablePrimary === true;
      });
    await until(writable, { timeoutMs: 60_000, describe: "the member to take writes" });
  }
  await start();
  return {
    url: `mongodb://127.0.0.1:${port}/chat?replicaSet=${name}`,
    backup: (to) =>
      withAdmin(async (admin) => {
        await admin.command({ fsync: 1, lock: true });
        try {
          await cp(dir, to, { recursive: true, filter: (path) => !path.endsWith("mongod.lock") });
        } finally {
          await admin.command({ fsyncUnlock: 1 });
        }
      }),
    async lose() {
      await kit.kill();
      await rm(dir, { recursive: true, force: true });
    },
    async restore(from) {
      await cp(from, dir, { recursive: true });
      await start();
    },
    async close() {
      await kit.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
