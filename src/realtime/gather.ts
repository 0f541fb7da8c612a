import type { Server, Socket } from "socket.io";
import type { Message } from "../chat/services/types.ts";
import { textRoom } from "./channel-rooms.ts";
import { joined, packetOf, send, takesFrames } from "./packets.ts";
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

interface One {
  readonly message: Message;
  readonly except: string[];
}

interface Waiting {
  readonly messages: One[];
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

function sendAll(messages: readonly One[], sockets: Iterable<Socket>): void {
  const packets = messages.map(({ message, except }) => ({
    ...packetOf("message", messagePayload(message)),
    except,
  }));
  const apart = new Set(messages.flatMap(({ except }) => except));
  const all = joined(packets);
  for (const socket of sockets) {
    if (takesFrames(socket) && !apart.has(socket.id)) send(socket, all);
    else for (const one of packets) if (!one.except.includes(socket.id)) send(socket, one);
  }
}

export function createGather(io: Server): Gather {
  const rooms = new Map<string, Waiting>();
  const { adapter, sockets } = io.of("/");
  const inRoom = (room: string) => adapter.rooms.get(textRoom(room));

  function flush(room: string): void {
    const waiting = rooms.get(room);
    if (!waiting) return;
    rooms.delete(room);
    waiting.cancel();
    const there = [...(inRoom(room) ?? [])].flatMap((id) => sockets.get(id) ?? []);
    if (there.length > 0) sendAll(waiting.messages, there);
  }

  return {
    send(message, except) {
      const { room } = message;
      const one = { message, except };
      const waiting = rooms.get(room);
      if (waiting) return void waiting.messages.push(one);
      const ms = Math.min((inRoom(room)?.size ?? 0) * msPerSocket, mostMs);
      rooms.set(room, { messages: [one], cancel: later(ms, () => flush(room)) });
    },
    flush,
    close() {
      for (const room of [...rooms.keys()]) flush(room);
    },
  };
}
