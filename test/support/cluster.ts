import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { until } from "./until.ts";

export interface RedisCluster {
  /** Value for REDIS_CLUSTER. */
  readonly address: string;
  /** Three masters, then their replicas in the same order. */
  readonly servers: readonly RedisServer[];
  /** The server that serves the slot now. */
  masterOf(slot: number): Promise<RedisServer>;
  /** The replica of the master of that slot takes over while both live. */
  failover(slot: number): Promise<void>;
  /** In the place of the former one, which is taken for dead from now on, no sooner. */
  newMaster(slot: number, former: RedisServer): Promise<RedisServer>;
  /** All slots served, every replica linked, and every server of the same opinion. */
  settled(): Promise<void>;
  /** Moves the slot with its keys; between `begin` and `finish`, both servers have a part of it. */
  move(slot: number, to: RedisServer): Promise<{ finish(): Promise<void> }>;
  close(): Promise<void>;
}

const SLOTS = 16_384;
const MASTERS = 3;
/** How long a node may be silent: a machine that is only busy kills none. */
const PATIENT_MS = 60_000;
const HASTY_MS = 1_000;

export interface ClusterOptions {
  args?: string[];
  /** Its servers speak nothing but TLS. */
  tls?: boolean;
}

export async function startRedisCluster({ args = [], tls = false }: ClusterOptions = {}): Promise<RedisCluster> {
  const clusterArgs = [
    ...["--cluster-enabled", "yes", "--cluster-node-timeout", String(HASTY_MS)],
    ...["--cluster-replica-validity-factor", "0", "--repl-ping-replica-period", "1"],
    ...args,
  ];
  const started = await Promise.allSettled(
    Array.from({ length: MASTERS * 2 }, () => startRedisServer({ args: clusterArgs, busPort: true, tls })),
  );
  const servers = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const close = async () => void (await Promise.all(servers.map((server) => server.close())));
  const failed = started.find((one) => one.status === "rejected");
  if (failed) {
    await close();
    throw failed.reason;
  }
  const ids = await Promise.all(servers.map(async (server) => String(await server.ask("CLUSTER", "MYID"))));
  const at = (index: number) => servers[index] as RedisServer;

  async function everybody(check: (server: RedisServer) => Promise<boolean>): Promise<boolean> {
    for (const server of servers) if (!(await check(server).catch(() => false))) return false;
    return true;
  }

  async function form(): Promise<void> {
    await Promise.all(
      Array.from({ length: MASTERS }, async (_, index) => {
        const from = Math.round((SLOTS / MASTERS) * index);
        const to = Math.round((SLOTS / MASTERS) * (index + 1));
        await at(index).ask("CLUSTER", "ADDSLOTS", ...Array.from({ length: to - from }, (_, n) => from + n));
        await at(index).ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      }),
    );
    for (const server of servers.slice(1)) await server.ask("CLUSTER", "MEET", "127.0.0.1", at(0).port);
    const known = async (server: RedisServer) =>
      String(await server.ask("CLUSTER", "INFO")).includes(`cluster_known_nodes:${servers.length}`);
    await until(() => everybody(known), { describe: "a cluster whose nodes know each other", timeoutMs: 20_000 });
    for (let index = 0; index < MASTERS; index += 1)
      await until(() => at(index + MASTERS).ask("CLUSTER", "REPLICATE", ids[index] ?? ""), { timeoutMs: 20_000 });
  }

  async function patience(ms: number, dead?: RedisServer): Promise<void> {
    const living = servers.filter((server) => server !== dead);
    await Promise.allSettled(living.map((server) => server.ask("CONFIG", "SET", "cluster-node-timeout", ms)));
  }

  type Owner = [host: string, port: number, id: string];
  async function owners(via: RedisServer, slot: number): Promise<Owner[]> {
    const ranges = (await via.ask("CLUSTER", "SLOTS")) as unknown as [number, number, ...Owner[]][];
    const range = ranges.find(([from, to]) => from <= slot && slot <= to);
    return (range?.slice(2) as Owner[] | undefined) ?? [];
  }
  async function masterOf(slot: number): Promise<RedisServer> {
    return until(
      async () => {
        for (const via of servers) {
          const [owner] = await owners(via, slot).catch((): Owner[] => []);
          const server = servers.find((one) => one.port === owner?.[1]);
          if (server && (await server.info("role").catch(() => "")) === "master") return server;
        }
        return undefined;
      },
      { describe: `a master of slot ${slot}`, timeoutMs: 20_000 },
    );
  }

  const cluster: RedisCluster = {
    address: servers.map(({ port }) => `127.0.0.1:${port}`).join(","),
    servers,
    masterOf,
    async failover(slot) {
      const former = await masterOf(slot);
      const [, replica] = await owners(former, slot);
      const server = servers.find((one) => one.port === replica?.[1]);
      await server?.ask("CLUSTER", "FAILOVER");
      await cluster.newMaster(slot, former);
    },
    async newMaster(slot, former) {
      await patience(HASTY_MS, former);
      const found = until(
        async () => {
          const now = await masterOf(slot);
          return now === former ? undefined : now;
        },
        { describe: `a new master of slot ${slot}`, timeoutMs: 30_000 },
      );
      return found.finally(() => patience(PATIENT_MS, former));
    },
    settled: () =>
      until(
        () =>
          everybody(async (server) => {
            const state = String(await server.ask("CLUSTER", "INFO"));
            if (!state.includes("cluster_state:ok") || !state.includes("cluster_size:3")) return false;
            const role = await server.info("role");
            if (role === "slave") return (await server.info("master_link_status")) === "up";
            return (await server.info("slave0")).includes("state=online");
          }),
        { describe: "a settled cluster", timeoutMs: 30_000, everyMs: 50 },
      ).then(() => undefined),
    async move(slot, to) {
      const from = await masterOf(slot);
      const [fromId, toId] = [ids[servers.indexOf(from)] ?? "", ids[servers.indexOf(to)] ?? ""];
      await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
      await from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
      return {
        async finish() {
          const keys = (await from.ask("CLUSTER", "GETKEYSINSLOT", slot, 1_000)) as string[];
          if (keys.length > 0) await from.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys);
          await to.ask("CLUSTER", "SETSLOT", slot, "NODE", toId);
          await from.ask("CLUSTER", "SETSLOT", slot, "NODE", toId);
        },
      };
    },
    close,
  };
  try {
    await form();
    await cluster.settled();
    await patience(PATIENT_MS);
    return cluster;
  } catch (error) {
    await close();
    throw error;
  }
}
