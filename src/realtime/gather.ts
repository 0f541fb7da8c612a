import type { Server, Socket } from "socket.io";
import type { Message } from "../chat/services/types.ts";
import { textRoom } from "./channel-rooms.ts";
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

/** A packet of Socket.IO for the main namespace. */
const packetOf = (message: Message) => `2${JSON.stringify(["message", messagePayload(message)])}`;

/** The packet as a server's WebSocket frame; 4 says that it is a message of Engine.IO. */
function frameOf(packet: string): Buffer {
  const body = Buffer.from(`4${packet}`);
  const { length } = body;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, body]);
}

/** Engine.IO sends such a frame as it is, as it does for the broadcasts of Socket.IO's own adapter. */
type Write = (data: string, options?: { wsPreEncodedFrame: Buffer[] }) => void;

function writerOf({ conn }: Socket): { write: Write; framed: boolean } {
  const write = conn.write.bind(conn) as unknown as Write;
  return { write, framed: conn.transport.name === "websocket" };
}

function sendAll(messages: readonly One[], sockets: Iterable<Socket>): void {
  const packets = messages.map(({ message, except }) => ({ text: packetOf(message), except }));
  const apart = new Set(messages.flatMap(({ except }) => except));
  const all = packets.map(({ text }) => text).join("");
  const frames = { wsPreEncodedFrame: [Buffer.concat(packets.map(({ text }) => frameOf(text)))] };
  for (const socket of sockets) {
    const { write, framed } = writerOf(socket);
    // The text is what the socket's backlog is measured by.
    if (framed && !apart.has(socket.id)) write(all, frames);
    else for (const { text, except } of packets) if (!except.includes(socket.id)) write(text);
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
