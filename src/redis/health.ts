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

/** What the last heartbeat told; nothing is asked of Redis for it. */
export function healthOf(
  status: Status,
  topology: Topology["kind"],
  attachment: Attachment | undefined,
  pool: number,
): RedisHealth {
  const { state, since, reason } = status;
  if (!attachment) return { state, since, reason, topology, connections: { open: 0, limit: 2 + pool }, waiting: 0 };
  const { infos } = attachment;
  const serverClients = sum(infos, "connected_clients");
  const serverLimit = sum(infos, "maxclients");
  const fullest = memory(infos);
  const [roleOfFirst, version] = [role(infos[0]), infos[0]?.redis_version];
  return {
    state,
    since,
    reason,
    topology,
    ...(roleOfFirst && { role: roleOfFirst }),
    ...(version && { version }),
    connections: {
      open: attachment.open,
      limit: (1 + pool) * attachment.main.connections.length + 1,
      ...(serverClients !== undefined && { serverClients }),
      ...(serverLimit !== undefined && { serverLimit }),
    },
    ...(fullest && { memory: fullest }),
    responseTime: attachment.responseTime,
    waiting: attachment.main.line.size + attachment.heavy.waiting,
  };
}
