import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { until } from "./until.ts";

/** A WebSocket of which every byte is the test's own, for what no well-behaved client would send. */
export interface RawWebSocket {
  socket: Socket;
  /** One frame; opcode 1 is text, 2 is binary. */
  send(payload: Buffer | string, opcode?: number): void;
  /** All that the server sent, as far as it is text. */
  received(): string;
  close(): void;
}

export async function openRawWebSocket(url: string, headers: Record<string, string> = {}): Promise<RawWebSocket> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const lines = {
    Host: host,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}`);
  socket.write(["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", ...head, "", ""].join("\r\n"));
  await until(() => text.includes('0{"sid"'), { everyMs: 5, describe: () => `the open packet in ${text}` });

  return {
    socket,
    send(payload, opcode = 1) {
      const body = Buffer.from(payload);
      const mask = randomBytes(4);
      const size = Buffer.alloc(body.length < 126 ? 2 : 4);
      size[0] = 0x80 | opcode;
      if (body.length < 126) size[1] = 0x80 | body.length;
      else {
        size[1] = 0x80 | 126;
        size.writeUInt16BE(body.length, 2);
      }
      socket.write(Buffer.concat([size, mask, body.map((byte, i) => byte ^ (mask[i % 4] ?? 0))]));
    },
    received: () => text,
    close: () => void socket.destroy(),
  };
}
