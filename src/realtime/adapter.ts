import { RedisAdapter } from "@socket.io/redis-adapter";
import type { Namespace } from "socket.io";
import type { BroadcastOptions, Room } from "socket.io-adapter";
import { type AdapterClient, adapterClient } from "../redis/facades/adapter.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { SocketAdapter } from "./types.ts";

/** No instance waits longer for the answers of the others. */
export const clusterPatienceMs = 300;

/** A client that does not hear what the adapter itself has asked of all: it has done it already. */
function deafToOwn(client: AdapterClient, isOwn: (message: Buffer) => boolean): AdapterClient {
  return {
    ...client,
    get live() {
      return client.live;
    },
    subscribe: (channels, listener, buffers) =>
      client.subscribe(
        channels,
        (message, channel) => {
          if (!isOwn(message)) listener(message, channel);
        },
        buffers,
      ),
  };
}

const here = (opts: BroadcastOptions): BroadcastOptions => ({ ...opts, flags: { ...opts.flags, local: true } });
const reachesOthers = (opts: BroadcastOptions) => !opts.flags?.local;

/**
 * The stock adapter, made to go on while Redis is out. It sends to its own sockets at once in any case; what it would do
 * only on hearing itself over Redis (join, leave, disconnect) is done here at once, too, and a question to all instances
 * ends with what is known here when the others do not answer.
 */
class SteadyAdapter extends RedisAdapter {
  constructor(nsp: Namespace, client: AdapterClient) {
    let prefix: Buffer | undefined;
    const own = deafToOwn(
      client,
      (message) => prefix !== undefined && message.subarray(0, prefix.length).equals(prefix),
    );
    super(nsp, own, own, { requestsTimeout: clusterPatienceMs });
    prefix = Buffer.from(`{"uid":${JSON.stringify(this.uid)},`);
  }

  override addSockets(opts: BroadcastOptions, rooms: Room[]): void {
    if (reachesOthers(opts)) super.addSockets(opts, rooms);
    super.addSockets(here(opts), rooms);
  }

  override delSockets(opts: BroadcastOptions, rooms: Room[]): void {
    if (reachesOthers(opts)) super.delSockets(opts, rooms);
    super.delSockets(here(opts), rooms);
  }

  override disconnectSockets(opts: BroadcastOptions, close: boolean): void {
    if (reachesOthers(opts)) super.disconnectSockets(opts, close);
    super.disconnectSockets(here(opts), close);
  }

  override async fetchSockets(opts: BroadcastOptions) {
    try {
      return await super.fetchSockets(opts);
    } catch {
      return await super.fetchSockets(here(opts));
    }
  }

  override async allRooms() {
    try {
      return await super.allRooms();
    } catch {
      return new Set(this.rooms.keys());
    }
  }
}

export interface ClusterAdapter {
  readonly adapter: SocketAdapter;
  /** The other instances are heard, and hear this one. */
  readonly live: boolean;
}

/**
 * What carries events between instances over Redis.
 *
 *     const cluster = createClusterAdapter(door);
 *     new Server(http, { adapter: cluster.adapter });
 */
export function createClusterAdapter(door: RedisDoor): ClusterAdapter {
  const client = adapterClient(door);
  return {
    // Socket.IO calls it with `new`.
    adapter: class extends SteadyAdapter {
      constructor(nsp: Namespace) {
        super(nsp, client);
      }
    },
    get live() {
      return (door.state === "up" || door.state === "degraded") && client.live;
    },
  };
}
