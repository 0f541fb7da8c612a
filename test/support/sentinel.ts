import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { redisBinary } from "./redis-binary.ts";
import { answers, type KitProcess, onFreePort, spawnKitProcess } from "./redis-process.ts";
import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { ask } from "./resp.ts";
import { until } from "./until.ts";

export interface SentinelGroup {
  readonly name: string;
  /** Value for REDIS_SENTINEL. */
  readonly address: string;
  readonly servers: readonly RedisServer[];
  readonly sentinelPorts: readonly number[];
  /** Whom the sentinels name now. */
  master(): Promise<RedisServer>;
  /** Promotes a replica while the master lives. */
  failover(): Promise<void>;
  /** Until the sentinels name another master than this one; answers it. A dead one is replaced from now on, no sooner. */
  newMaster(former: RedisServer): Promise<RedisServer>;
  /** A former master that is back follows the new one; sentinels alone take eight seconds to see to that. */
  rejoin(server: RedisServer): Promise<void>;
  /** All replicas are linked and the sentinels know them and each other. */
  settled(): Promise<void>;
  /** Freezes a sentinel, or lets it go on. */
  signalSentinel(index: number, name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
  close(): Promise<void>;
}

const NAME = "mymaster";
/** How long a master may be silent: a machine that is only busy kills none. */
const PATIENT_MS = 60_000;
const HASTY_MS = 1_000;

interface Sentinel {
  port: number;
  kit: KitProcess;
}

async function startSentinel(folder: string, index: number, master: RedisServer): Promise<Sentinel> {
  return onFreePort(async (port) => {
    const file = join(folder, `sentinel-${index}-${port}.conf`);
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${folder}`,
      "protected-mode no",
      "loglevel warning",
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${PATIENT_MS}`,
      `sentinel failover-timeout ${NAME} 1000`,
      `sentinel parallel-syncs ${NAME} 2`,
    ];
    await writeFile(file, `${lines.join("\n")}\n`);
    const kit = await spawnKitProcess(await redisBinary(), [file, "--sentinel"]);
    if (await answers(port, kit)) return { port, kit };
    await kit.kill();
    return undefined;
  });
}

/** A sentinel that has never heard of the others, and takes another server for the master of that name. */
export async function startLoneSentinel(master: RedisServer): Promise<{ port: number; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-sentinel-"));
  const { port, kit } = await startSentinel(folder, 9, master);
  return {
    port,
    async close() {
      await kit.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One master, two replicas, three sentinels. */
export async function startSentinelGroup({ args = [] }: { args?: string[] } = {}): Promise<SentinelGroup> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-sentinel-"));
  const sentinels: Sentinel[] = [];
  const servers: RedisServer[] = [];

  async function close(): Promise<void> {
    await Promise.all(sentinels.map(({ kit }) => kit.kill()));
    await Promise.all(servers.map((server) => server.close()));
    await rm(folder, { recursive: true, force: true });
  }

  try {
    const master = await startRedisServer({ args });
    servers.push(master);
    const replicaArgs = [...args, "--replicaof", "127.0.0.1", String(master.port)];
    servers.push(...(await Promise.all([1, 2].map(() => startRedisServer({ args: replicaArgs })))));
    const all = await Promise.allSettled([0, 1, 2].map((index) => startSentinel(folder, index, master)));
    for (const one of all) if (one.status === "fulfilled") sentinels.push(one.value);
    if (sentinels.length < 3) throw new Error("a sentinel did not start");
  } catch (error) {
    await close();
    throw error;
  }

  const living = () => sentinels.map(({ port }) => port);
  async function named(): Promise<number | undefined> {
    for (const port of living()) {
      const answer = await ask(port, ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME], { timeoutMs: 500 }).catch(
        () => null,
      );
      if (Array.isArray(answer)) return Number(answer[1]);
    }
    return undefined;
  }
  async function master(): Promise<RedisServer> {
    const port = await until(named, { describe: "a sentinel that names the master" });
    const server = servers.find((one) => one.port === port);
    if (!server) throw new Error(`the sentinels name ${port}, which is not of this group`);
    return server;
  }
  async function figure(port: number, field: string): Promise<number> {
    const fields = (await ask(port, ["SENTINEL", "MASTER", NAME])) as string[];
    return Number(fields[fields.indexOf(field) + 1]);
  }
  async function patience(ms: number): Promise<void> {
    const told = living().map((port) => ask(port, ["SENTINEL", "SET", NAME, "down-after-milliseconds", ms]));
    await Promise.allSettled(told);
  }
  const group: SentinelGroup = {
    name: NAME,
    address: `${NAME}@${living()
      .map((port) => `127.0.0.1:${port}`)
      .join(",")}`,
    servers,
    sentinelPorts: living(),
    master,
    async failover() {
      await ask(living()[0] ?? 0, ["SENTINEL", "FAILOVER", NAME]);
    },
    async newMaster(former) {
      await patience(HASTY_MS);
      const found = until(
        async () => {
          const now = await master();
          return now !== former && (await now.info("role")) === "master" ? now : undefined;
        },
        { timeoutMs: 30_000, describe: "a new master" },
      );
      return found.finally(() => patience(PATIENT_MS));
    },
    async rejoin(server) {
      await server.ask("REPLICAOF", "127.0.0.1", (await master()).port);
      await group.settled();
    },
    settled: () =>
      until(
        async () => {
          const now = await master();
          if ((await now.info("connected_slaves")) !== "2") return false;
          for (const slave of ["slave0", "slave1"]) if (!(await now.info(slave)).includes("state=online")) return false;
          for (const port of living())
            if ((await figure(port, "num-other-sentinels")) !== 2 || (await figure(port, "num-slaves")) < 2)
              return false;
          return true;
        },
        { timeoutMs: 30_000, everyMs: 50, describe: "a settled sentinel group" },
      ).then(() => undefined),
    signalSentinel: (index, name) => sentinels[index]?.kit.signal(name),
    close,
  };
  try {
    await group.settled();
    return group;
  } catch (error) {
    await close();
    throw error;
  }
}
