import { connect } from "node:net";
import { type ConnectionOptions, connect as connectSecurely } from "node:tls";

export type Reply = string | number | null | Reply[] | Error;

/** One RESP2 reply from `at`, and where the next one begins; undefined when it is not whole yet. */
function parse(bytes: Buffer, at: number): { reply: Reply; next: number } | undefined {
  const end = bytes.indexOf("\r\n", at);
  if (end < 0) return undefined;
  const head = bytes.toString("utf8", at + 1, end);
  const next = end + 2;
  const kind = String.fromCharCode(bytes[at] ?? 0);
  if (kind === "+") return { reply: head, next };
  if (kind === "-") return { reply: new Error(head), next };
  if (kind === ":") return { reply: Number(head), next };
  const size = Number(head);
  if (size < 0) return { reply: null, next };
  if (kind === "$") {
    if (bytes.length < next + size + 2) return undefined;
    return { reply: bytes.toString("utf8", next, next + size), next: next + size + 2 };
  }
  const items: Reply[] = [];
  let from = next;
  for (let index = 0; index < size; index += 1) {
    const item = parse(bytes, from);
    if (!item) return undefined;
    items.push(item.reply);
    from = item.next;
  }
  return { reply: items, next: from };
}

const encode = (args: (string | number)[]) =>
  `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join("")}`;

export interface AskOptions {
  /** With a password; without one it is for the default user. */
  username?: string | undefined;
  password?: string | undefined;
  timeoutMs?: number;
  /** By TLS, with these certificates. */
  tls?: ConnectionOptions | undefined;
}

/** One command over a connection of its own, past everything that is tested; an error reply rejects. */
export function ask(port: number, args: (string | number)[], options: AskOptions = {}) {
  const { username, password, timeoutMs = 5_000, tls } = options;
  const greeting = password ? encode(["AUTH", ...(username ? [username] : []), password]) : "";
  return new Promise<Reply>((resolve, reject) => {
    const socket = tls ? connectSecurely({ ...tls, port, host: "127.0.0.1" }) : connect(port, "127.0.0.1");
    let bytes: Buffer = Buffer.alloc(0);
    let skip = password ? 1 : 0;
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () =>
      fail(new Error(`redis on ${port} did not answer ${args[0]} in ${timeoutMs} ms`)),
    );
    socket.on("error", fail);
    socket.on("close", () => reject(new Error(`redis on ${port} closed the connection`)));
    socket.write(greeting + encode(args));
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let got = parse(bytes, 0); got; got = parse(bytes, 0)) {
        bytes = bytes.subarray(got.next);
        if (got.reply instanceof Error) fail(got.reply);
        else if (skip === 0) resolve(got.reply);
        else {
          skip -= 1;
          continue;
        }
        socket.destroy();
        return;
      }
    });
  });
}
