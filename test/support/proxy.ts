import { connect, createServer, type Socket } from "node:net";

/** What the proxy does to the bytes that pass. */
export type Trouble =
  | { kind: "none" }
  /** Every reply comes so much later. */
  | { kind: "latency"; ms: number }
  /** Connections are accepted and stay open; nothing passes either way. */
  | { kind: "blackHole" }
  /** Requests arrive, replies are lost. */
  | { kind: "halfOpen" }
  /** Replies come a few bytes at a time. */
  | { kind: "drip"; bytes: number; everyMs: number }
  /** New connections are reset at once. */
  | { kind: "refuse" };

/** A TCP proxy on loopback that can be told to misbehave. */
export interface TcpProxy {
  readonly port: number;
  /** Open connections from clients. */
  readonly connections: number;
  /** What was held back is let go, in order, when the trouble is over. */
  set(trouble: Trouble): void;
  /** Resets every open connection; the next one is welcome. */
  reset(): void;
  /** The connection opened last is dead from now on, the others live. */
  freezeNewest(): void;
  /** Where connections go that are opened from now on. */
  target(port: number): void;
  close(): Promise<void>;
}

/** Bytes in one direction, never out of order. */
function createPipe(to: Socket) {
  const queue: { at: number; bytes: Buffer }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function pump(): void {
    timer = undefined;
    const now = performance.now();
    while (queue[0] && queue[0].at <= now) to.write(queue.shift()?.bytes ?? "");
    if (queue[0] && queue[0].at < Number.POSITIVE_INFINITY) timer = setTimeout(pump, queue[0].at - now);
  }
  return {
    send(bytes: Buffer, delayMs: number): void {
      if (delayMs <= 0 && queue.length === 0) return void to.write(bytes);
      queue.push({ at: Math.max(queue.at(-1)?.at ?? 0, performance.now() + delayMs), bytes });
      if (!timer) pump();
    },
    release(): void {
      for (const part of queue) part.at = 0;
      clearTimeout(timer);
      pump();
    },
    end: () => clearTimeout(timer),
  };
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  let trouble: Trouble = { kind: "none" };
  let target = targetPort;
  const pairs = new Set<{ client: Socket; end(): void; release(): void; freeze(): void }>();

  const listener = createServer({ noDelay: true }, (client) => {
    if (trouble.kind === "refuse") return void client.resetAndDestroy();
    const server = connect({ port: target, host: "127.0.0.1", noDelay: true });
    const requests = createPipe(server);
    const replies = createPipe(client);
    let frozen = false;
    const pair = {
      client,
      freeze() {
        frozen = true;
      },
      end() {
        pairs.delete(pair);
        requests.end();
        replies.end();
        client.destroy();
        server.destroy();
      },
      release() {
        requests.release();
        replies.release();
      },
    };
    pairs.add(pair);
    client.on("error", pair.end).on("close", pair.end);
    server.on("error", () => client.resetAndDestroy()).on("close", pair.end);
    client.on("data", (bytes: Buffer) => requests.send(bytes, trouble.kind === "blackHole" ? Infinity : 0));
    server.on("data", (bytes: Buffer) => {
      if (trouble.kind === "halfOpen" || frozen) return;
      if (trouble.kind === "drip")
        for (let at = 0; at < bytes.length; at += trouble.bytes)
          replies.send(bytes.subarray(at, at + trouble.bytes), (at / trouble.bytes) * trouble.everyMs);
      else replies.send(bytes, trouble.kind === "blackHole" ? Infinity : trouble.kind === "latency" ? trouble.ms : 0);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();

  return {
    port: typeof address === "object" && address ? address.port : 0,
    get connections() {
      return pairs.size;
    },
    set(next) {
      trouble = next;
      if (next.kind !== "blackHole") for (const pair of pairs) pair.release();
    },
    reset() {
      for (const { client } of [...pairs]) client.resetAndDestroy();
    },
    freezeNewest() {
      [...pairs].at(-1)?.freeze();
    },
    target(port) {
      target = port;
    },
    async close() {
      for (const pair of [...pairs]) pair.end();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
