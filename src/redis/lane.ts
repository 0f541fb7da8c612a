import type { HostPort } from "../config/kinds.ts";
import type { Deadlines, Line } from "../kernel/deadline.ts";
import { type AllCommands, type Routes, routedCommands } from "./commands.ts";
import { type Client, type Connection, openConnection } from "./connection.ts";
import type { Shard } from "./discovery.ts";
import { LinkError } from "./failure.ts";
import { quickCommands } from "./quick.ts";
import { type Access, addressOf } from "./topology.ts";

/** One connection to each master, the commands over them, and those who wait for replies. */
export interface Lane {
  readonly commands: AllCommands;
  readonly line: Line;
  readonly clients: readonly Client[];
  /** One by shard, in the order of the shards. */
  readonly connections: readonly Connection[];
  readonly destroyed: boolean;
  /** Everybody who waits is told at once. */
  destroy(): void;
}

export interface LaneOptions {
  access: Access;
  timeoutMs: number;
  signal: AbortSignal;
  /** Commands must find the server of their key, even when there is but one. */
  routed: boolean;
  deadlines: Deadlines;
  /** Which address serves a slot; shared by all lanes, changed by redirections. */
  slots: (string | undefined)[];
  patienceMs?: number;
  onStuck?: (ageMs: number) => void;
  onLost: (error: unknown) => void;
  onStranger: (address: string) => void;
}

export function fillSlots(slots: (string | undefined)[], shards: readonly Shard[]): void {
  for (const { address, slots: ranges } of shards)
    for (const [from, to] of ranges) slots.fill(addressOf(address), from, to + 1);
}

function parse(address: string): HostPort {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
}

/** Opens all of it or nothing. */
export async function openLane(shards: readonly Shard[], options: LaneOptions): Promise<Lane> {
  const { access, timeoutMs, signal, slots, deadlines } = options;
  const open = (address: HostPort) => openConnection(address, access, { timeoutMs, signal });
  const opened = await Promise.allSettled(shards.map(({ address }) => open(address)));
  const connections = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = opened.find((one) => one.status === "rejected");
  if (failed) {
    for (const connection of connections) connection.destroy();
    throw failed.reason;
  }

  const guests = new Map<string, Promise<Connection> | Connection>();
  const byAddress = new Map(connections.map((one) => [addressOf(one.address), one.client]));
  const clients = connections.map(({ client }) => client);
  const [only] = clients;
  if (!only) throw new LinkError("no server takes writes");
  const line = deadlines.line({
    ...(options.patienceMs !== undefined && { patienceMs: options.patienceMs }),
    ...(options.onStuck && { onStuck: options.onStuck }),
  });
  let destroyed = false;

  /** A server that takes over its first slot is named by redirections before it is anybody's master. */
  function invite(address: string): void {
    if (guests.has(address) || destroyed) return;
    const coming = open(parse(address)).then((guest) => {
      if (destroyed) guest.destroy();
      guest.onLost(() => guests.delete(address));
      guests.set(address, guest);
      return guest;
    });
    coming.catch(() => guests.delete(address));
    guests.set(address, coming);
  }

  const guestAt = (address: string) => {
    const guest = guests.get(address);
    return guest && "client" in guest ? guest.client : undefined;
  };
  const routes: Routes = {
    bySlot: (slot) => {
      const address = slots[slot] ?? "";
      return byAddress.get(address) ?? guestAt(address) ?? only;
    },
    byAddress: (address) => byAddress.get(address) ?? guestAt(address),
    all: () => clients,
    moved(slot, address) {
      slots[slot] = address;
    },
    stranger(address) {
      invite(address);
      options.onStranger(address);
    },
  };

  const lane: Lane = {
    commands: options.routed ? routedCommands(routes) : quickCommands(only),
    line,
    clients,
    connections,
    get destroyed() {
      return destroyed;
    },
    destroy() {
      if (destroyed) return;
      destroyed = true;
      line.clear();
      for (const connection of connections) connection.destroy();
      for (const guest of guests.values()) if ("client" in guest) guest.destroy();
    },
  };
  for (const connection of connections) connection.onLost(options.onLost);
  return lane;
}
