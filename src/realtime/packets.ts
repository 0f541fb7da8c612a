import type { Socket } from "socket.io";

/** An event as it is sent, made once for however many sockets. */
export interface Packet {
  /** As Socket.IO writes it for the main namespace. */
  readonly text: string;
  /** The same as a server's WebSocket frame. */
  readonly frame: Buffer;
}

/** 4 says that it is a message of Engine.IO. */
function frameOf(text: string): Buffer {
  const body = Buffer.from(`4${text}`);
  const { length } = body;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, body]);
}

export function packetOf(event: string, ...payload: readonly unknown[]): Packet {
  const text = `2${JSON.stringify([event, ...payload])}`;
  return { text, frame: frameOf(text) };
}

/** Several in one, for WebSockets alone; its text is what a socket's backlog is measured by. */
export function joined(packets: readonly Packet[]): Packet {
  const [only] = packets;
  if (only && packets.length === 1) return only;
  return { text: packets.map(({ text }) => text).join(""), frame: Buffer.concat(packets.map(({ frame }) => frame)) };
}

export const takesFrames = ({ conn }: Socket): boolean => conn.transport.name === "websocket";

/** Engine.IO sends such a frame as it is, as it does for the broadcasts of Socket.IO's own adapter. */
type Write = (text: string, options: { wsPreEncodedFrame?: Buffer[] }) => void;

export function send(socket: Socket, { text, frame }: Packet): void {
  const { conn } = socket;
  (conn.write as unknown as Write).call(conn, text, takesFrames(socket) ? { wsPreEncodedFrame: [frame] } : {});
}
