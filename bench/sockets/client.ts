import { connect, type Socket } from "node:net";

/** A WebSocket client of so little that 8,000 of them fit beside the server: it counts frames, and reads hardly any. */
export interface Client {
  /** Frames by the name of their event. */
  readonly counts: Readonly<Record<string, number>>;
  /** The body of the last frame of that event. */
  readonly last: Readonly<Record<string, string>>;
  readonly joined: boolean;
  emit(event: string, payload: unknown): void;
  /** At each frame of that event; one listener at a time. */
  listen(event: string, listener: () => void): void;
  close(): void;
}

export interface ClientOptions {
  url: string;
  cookie?: string;
  auth: object;
  room: string;
  /** The frame as it came, of which hardly anybody reads more. */
  onMessage: (frame: Buffer) => void;
  onEnd: () => void;
}

/** Masked with nothing but zeros, so that the text may stay as it is. */
function frameOf(text: string): Buffer {
  const body = Buffer.from(text);
  const long = body.length > 125;
  const head = Buffer.alloc(long ? 8 : 6);
  head[0] = 0x81;
  head[1] = 0x80 | (long ? 126 : body.length);
  if (long) head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

const isMessage = Buffer.from('42["message"');
const kept = new Set(["online_users", "history"]);

export function openClient({ url, cookie, auth, room, onMessage, onEnd }: ClientOptions): Client {
  const { hostname, port, host } = new URL(url);
  const counts: Record<string, number> = {};
  const last: Record<string, string> = {};
  let listening: { event: string; listener: () => void } | undefined;
  let rest: Buffer = Buffer.alloc(0);
  let upgraded = false;
  let ended = false;
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const send = (text: string) => void socket.write(frameOf(text));
  const emit = (event: string, payload: unknown) => send(`42${JSON.stringify([event, payload])}`);

  function hear(body: Buffer): void {
    if (body.subarray(0, isMessage.length).equals(isMessage)) {
      counts.message = (counts.message ?? 0) + 1;
      return void onMessage(body);
    }
    const text = body.toString();
    if (text === "2") return void send("3");
    if (text.startsWith("0")) return void send(`40${JSON.stringify(auth)}`);
    if (text.startsWith("40")) return void emit("join_room", { room });
    const event = /^42\["([^"]+)"/.exec(text)?.[1] ?? (text.startsWith("44") ? "refused" : "other");
    counts[event] = (counts[event] ?? 0) + 1;
    if (kept.has(event)) last[event] = text;
    if (listening?.event === event) listening.listener();
  }

  function read(chunk: Buffer): void {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!upgraded) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      upgraded = true;
      rest = rest.subarray(end + 4);
    }
    for (;;) {
      if (rest.length < 2) return;
      let size = (rest[1] ?? 0) & 0x7f;
      let head = 2;
      if (size === 126) {
        if (rest.length < 4) return;
        size = rest.readUInt16BE(2);
        head = 4;
      } else if (size === 127) {
        if (rest.length < 10) return;
        size = Number(rest.readBigUInt64BE(2));
        head = 10;
      }
      if (rest.length < head + size) return;
      if (((rest[0] ?? 0) & 0x0f) === 1) hear(rest.subarray(head, head + size));
      rest = rest.subarray(head + size);
    }
  }

  socket.on("connect", () => {
    const lines = [
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
      `Host: ${host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...(cookie ? [`Cookie: ${cookie}`] : []),
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
  socket.on("data", read);
  const end = () => {
    if (ended) return;
    ended = true;
    onEnd();
  };
  socket.on("error", end).on("close", end);

  return {
    counts,
    last,
    get joined() {
      return (counts.history ?? 0) > 0 && !ended;
    },
    emit,
    listen(event, listener) {
      listening = { event, listener };
    },
    close() {
      ended = true;
      socket.destroy();
    },
  };
}
