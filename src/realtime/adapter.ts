import { RedisAdapter } from "@socket.io/redis-adapter";
import type { Namespace } from "socket.io";
import type { BroadcastOptions, Room } from "socket.io-adapter";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
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

/** What the stock adapter hears with; it calls them, and drops what they answer. */
interface Hearing {
  onmessage(pattern: null, channel: Buffer, message: Buffer): void;
  onrequest(channel: Buffer, message: Buffer): Promise<void>;
}

/** Said once a minute: whoever publishes nonsense may do so often. */
const quietMs = 60_000;

function createComplaint(log: Log): (error: unknown) => void {
  let quietUntil = 0;
  return (error) => {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + quietMs;
    log.warn(
      { err: messageOf(error) },
      "What was published for the instances of this chat cannot be read; it is ignored",
    );
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
  constructor(nsp: Namespace, client: AdapterClient, key: string, log: Log) {
    let prefix: Buffer | undefined;
    const own = deafToOwn(
      client,
      (message) => prefix !== undefined && message.subarray(0, prefix.length).equals(prefix),
    );
    super(nsp, own, own, { key, requestsTimeout: clusterPatienceMs });
    prefix = Buffer.from(`{"uid":${JSON.stringify(this.uid)},`);
    this.#hearWithCare(createComplaint(log));
  }

  /** Who publishes on its channels decides what is in there, and what it throws or rejects with would end the process. */
  #hearWithCare(complain: (error: unknown) => void): void {
    const hearing = this as unknown as Hearing;
    const { onmessage, onrequest } = hearing;
    hearing.onmessage = (...heard) => {
      try {
        onmessage.apply(this, heard);
      } catch (error) {
        complain(error);
      }
    };
    hearing.onrequest = async (...heard) => {
      try {
        await onrequest.apply(this, heard);
      } catch (error) {
        complain(error);
      }
    };
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
 *     const cluster = createClusterAdapter(door, log);
 *     new Server(http, { adapter: cluster.adapter });
 */
export function createClusterAdapter(door: RedisDoor, log: Log): ClusterAdapter {
  const client = adapterClient(door);
  return {
    // Socket.IO calls it with `new`.
    adapter: class extends SteadyAdapter {
      constructor(nsp: Namespace) {
        super(nsp, client, door.channel("socket.io"), log);
      }
    },
    get live() {
      return (door.state === "up" || door.state === "degraded") && client.live;
    },
  };
}
