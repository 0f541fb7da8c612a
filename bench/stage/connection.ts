import { connect, type Socket } from "node:net";

export interface Reply {
  status: number;
  source: string;
  etag: string;
  packed: boolean;
  bytes: number;
  body: Buffer | undefined;
}

/** Servers close what has been idle for five seconds, as Node does: what was idle for longer than this is opened anew. */
const mostIdleMs = 3_000;

/** One connection that sends the next request when the last is answered; as little work per answer as can be. */
export function createConnection(port: number) {
  let socket = open();
  let used = performance.now();
  let head: Buffer | undefined;
  let reply: Reply | undefined;
  let missing = 0;
  let parts: Buffer[] | undefined;
  let done: ((reply: Reply) => void) | undefined;
  let fail: ((error: Error) => void) | undefined;

  function begin(text: string): Reply {
    const field = (name: string) => new RegExp(`\r\n${name}: ([^\r]*)`, "i").exec(text)?.[1] ?? "";
    const length = Number(field("content-length") || 0);
    return {
      status: Number(text.slice(9, 12)),
      source: field("x-cache"),
      etag: field("etag"),
      packed: field("content-encoding") === "br",
      bytes: length,
      body: undefined,
    };
  }

  function open(): Socket {
    const opened = connect({ port, host: "127.0.0.1", noDelay: true });
    const lost = (error: Error) => opened === socket && fail?.(error);
    return opened
      .on("data", take)
      .on("error", lost)
      .on("close", () => lost(new Error("the server closed the connection")));
  }

  function take(chunk: Buffer): void {
    let rest = chunk;
    if (!reply) {
      rest = head ? Buffer.concat([head, chunk]) : chunk;
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) {
        head = rest;
        return;
      }
      head = undefined;
      reply = begin(rest.toString("latin1", 0, end));
      missing = reply.bytes;
      rest = rest.subarray(end + 4);
    }
    missing -= rest.length;
    parts?.push(rest);
    if (missing > 0) return;
    const whole = reply;
    reply = undefined;
    if (parts) whole.body = Buffer.concat(parts);
    used = performance.now();
    done?.(whole);
  }

  return {
    ask(request: Buffer, keepBody: boolean): Promise<Reply> {
      if (socket.destroyed || performance.now() - used > mostIdleMs) {
        socket.destroy();
        socket = open();
      }
      parts = keepBody ? [] : undefined;
      socket.write(request);
      return new Promise((resolve, reject) => {
        done = resolve;
        fail = reject;
      });
    },
    close: () => socket.destroy(),
  };
}
