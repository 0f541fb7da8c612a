import type { Attachment } from "./attachment.ts";
import type { Info } from "./signs.ts";
import type { Status } from "./status.ts";
import type { Topology } from "./topology.ts";
import type { RedisHealth } from "./types.ts";

const figure = (info: Info, name: string): number | undefined => {
  const value = Number(info[name]);
  return info[name] === undefined || Number.isNaN(value) ? undefined : value;
};

const sum = (infos: readonly Info[], name: string): number | undefined => {
  const figures = infos.map((info) => figure(info, name));
  return figures.some((one) => one === undefined) ? undefined : figures.reduce<number>((a, b) => a + (b ?? 0), 0);
};

/** Of the server that is fullest. */
function memory(infos: readonly Info[]): RedisHealth["memory"] {
  const each = infos.map((info) => ({
    used: figure(info, "used_memory") ?? 0,
    max: figure(info, "maxmemory") ?? 0,
    policy: info.maxmemory_policy ?? "",
  }));
  return each.sort((a, b) => b.used / (b.max || Infinity) - a.used / (a.max || Infinity))[0];
}

const role = (info: Info | undefined) => (info?.role === "slave" ? "replica" : info?.role);

/** A replica that is on its way to its master does not follow it yet. */
function replicas(infos: readonly Info[]): RedisHealth["replicas"] {
  if (infos[0]?.role !== "master") return undefined;
  const lines = infos.flatMap((info) => Object.entries(info).filter(([name]) => /^slave\d+$/.test(name)));
  const following = lines.filter(([, line]) => line.includes("state=online"));
  const lags = following.map(([, line]) => Number(/lag=(\d+)/.exec(line)?.[1] ?? 0));
  return { following: following.length, lagSeconds: Math.max(0, ...lags) };
}

interface Seen {
  topology: Topology["kind"];
  attachment: Attachment | undefined;
  pool: number;
  sentinels: RedisHealth["sentinels"];
  deaf: string | undefined;
}

/** What the last heartbeat told; nothing is asked of Redis for it. */
export function healthOf(status: Status, { topology, attachment, pool, sentinels, deaf }: Seen): RedisHealth {
  const { state, since, reason } = status;
  const known = { state, since, reason, topology, ...(sentinels && { sentinels }), ...(deaf && { deaf }) };
  if (!attachment) return { ...known, connections: { open: 0, limit: 2 + pool }, waiting: 0 };
  const { infos } = attachment;
  const serverClients = sum(infos, "connected_clients");
  const serverLimit = sum(infos, "maxclients");
  const fullest = memory(infos);
  const [roleOfFirst, version, followers] = [role(infos[0]), infos[0]?.redis_version, replicas(infos)];
  return {
    ...known,
    ...(roleOfFirst && { role: roleOfFirst }),
    ...(version && { version }),
    connections: {
      open: attachment.open,
      limit: (1 + pool) * attachment.main.connections.length + 1,
      ...(serverClients !== undefined && { serverClients }),
      ...(serverLimit !== undefined && { serverLimit }),
    },
    ...(fullest && { memory: fullest }),
    ...(followers && { replicas: followers }),
    responseTime: attachment.responseTime,
    waiting: attachment.main.line.size + attachment.heavy.waiting,
  };
}
