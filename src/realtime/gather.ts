import type { Server, Socket } from "socket.io";
import type { Message } from "../chat/services/types.ts";
import type { Log } from "../kernel/log.ts";
import { textRoom } from "./channel-rooms.ts";
import { joined, type Packet, packetOf, send, takesFrames } from "./packets.ts";
import { messagePayload } from "./payloads.ts";

/** In a room of many a message waits for others, for about as long as sending it will take; nobody sees so little. */
const msPerSocket = 0.01;
const mostMs = 50;

/**
 * Sends messages to the sockets of a room, those of one moment together: each socket is written to once, with frames made
 * once for all. With thousands of sockets these writes are most of what a message costs.
 */
export interface Gather {
  /** `except`: sockets that must not be sent it. */
  send(message: Message, except: string[]): void;
  /** What waits for this room is sent now. */
  flush(room: string): void;
  close(): void;
}

interface One extends Packet {
  readonly except: string[];
}

interface Waiting {
  readonly packets: One[];
  cancel(): void;
}

function later(ms: number, work: () => void): () => void {
  if (ms >= 1) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  }
  const immediate = setImmediate(work);
  return () => clearImmediate(immediate);
}

function sendAll(packets: readonly One[], sockets: Iterable<Socket>): void {
  const apart = new Set(packets.flatMap(({ except }) => except));
  const all = joined(packets);
  for (const socket of sockets) {
    if (takesFrames(socket) && !apart.has(socket.id)) send(socket, all);
    else for (const one of packets) if (!one.except.includes(socket.id)) send(socket, one);
  }
}

export function createGather(io: Server, log: Log): Gather {
  const rooms = new Map<string, Waiting>();
  const { adapter, sockets } = io.of("/");
  const inRoom = (room: string) => adapter.rooms.get(textRoom(room));

  function flush(room: string): void {
    const waiting = rooms.get(room);
    if (!waiting) return;
    rooms.delete(room);
    waiting.cancel();
    const there = [...(inRoom(room) ?? [])].flatMap((id) => sockets.get(id) ?? []);
    if (there.length > 0) sendAll(waiting.packets, there);
  }

  /** In a timer nobody else would catch it, and the process would end. */
  function flushInTime(room: string): void {
    try {
      flush(room);
    } catch (error) {
      log.error({ room, err: error }, "Messages could not be sent to everybody in their room");
    }
  }

  return {
    send(message, except) {
      const { room } = message;
      // One that cannot be written down fails here, alone, and not with the others of its moment.
      const one = { ...packetOf("message", messagePayload(message)), except };
      const waiting = rooms.get(room);
      if (waiting) return void waiting.packets.push(one);
      const ms = Math.min((inRoom(room)?.size ?? 0) * msPerSocket, mostMs);
      rooms.set(room, { packets: [one], cancel: later(ms, () => flushInTime(room)) });
    },
    flush,
    close() {
      for (const room of [...rooms.keys()]) flush(room);
    },
  };
}
