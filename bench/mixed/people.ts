import "../stage/orphan.ts";
import { setTimeout as pause } from "node:timers/promises";
import { type Client, openClient } from "../sockets/client.ts";
import { createConnection } from "../stage/connection.ts";
import type { Visitor } from "../stage/seed.ts";
import { quantile } from "../support/sums.ts";

/** People of a chat, in a process of their own. They enter once, and then live for as long as they are told. */
export interface Enter {
  kind: "enter";
  url: string;
  visitors: Visitor[];
  rooms: string[];
}

export interface Live {
  kind: "live";
  ms: number;
  /** Actions a second. */
  rate: number;
}

export interface Lived {
  actions: number;
  requests: number;
  hits: number;
  /** Of the requests, in ms. */
  mean: number;
  p50: number;
  p99: number;
  hitP99: number;
  /** Answers that were not 200, and connections that ended by themselves. */
  bad: Record<string, number>;
  /** Messages that reached somebody. */
  delivered: number;
  /** In their rooms at the end. */
  inside: number;
}

/** Of a hundred actions. */
export const mix = { users: 35, channels: 35, history: 15, say: 8, move: 4, reconnect: 3 } as const;
type Action = keyof typeof mix;

const workers = 24;
const entering = 50;
const actions = Object.entries(mix).flatMap(([name, share]) => Array<Action>(share).fill(name as Action));
const any = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)] as T;

let place: Enter | undefined;
const clients: Client[] = [];
let delivered = 0;
let bad: Record<string, number> = {};
const note = (what: string) => {
  bad[what] = (bad[what] ?? 0) + 1;
};

function open({ url, visitors, rooms }: Enter, n: number): void {
  const { cookie, csrfToken } = visitors[n % visitors.length] as Visitor;
  clients[n] = openClient({
    ...{ url, cookie, auth: { csrfToken }, room: any(rooms) },
    onMessage: () => {
      delivered += 1;
    },
    onEnd: () => note("connection ended"),
  });
}

async function enter(order: Enter): Promise<void> {
  place = order;
  for (let n = 0; n < order.visitors.length; n += entering) {
    const some = Array.from({ length: Math.min(entering, order.visitors.length - n) }, (_, i) => n + i);
    for (const one of some) open(order, one);
    const inside = () => some.every((one) => clients[one]?.joined);
    for (const since = performance.now(); !inside(); await pause(10))
      if (performance.now() - since > 30_000) throw new Error("people wait in vain to be let in");
  }
}

async function live({ ms, rate }: Live): Promise<Lived> {
  if (!place) throw new Error("nobody is there");
  const { url, visitors, rooms } = place;
  const port = Number(new URL(url).port);
  const latencies: number[] = [];
  const hits: number[] = [];
  let done = 0;
  delivered = 0;
  bad = {};
  const until = performance.now() + ms;
  let next = performance.now();

  async function read(connection: ReturnType<typeof createConnection>, path: string): Promise<void> {
    const { token } = any(visitors);
    const head = `GET ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\nAccept-Encoding: br\r\n\r\n`;
    const since = performance.now();
    const { status, source } = await connection.ask(Buffer.from(head), false);
    const took = performance.now() - since;
    latencies.push(took);
    if (status !== 200) note(String(status));
    if (source === "l1" || source === "redis") hits.push(took);
  }
  async function act(connection: ReturnType<typeof createConnection>): Promise<void> {
    const n = Math.floor(Math.random() * clients.length);
    switch (any(actions)) {
      case "users":
        return read(connection, "/api/users");
      case "channels":
        return read(connection, "/api/channels");
      case "history":
        return read(connection, `/api/channels/${any(rooms)}/messages`);
      case "say":
        return clients[n]?.emit("message", { text: `What I say at ${Date.now()} takes a few words 🙂` });
      case "move":
        return clients[n]?.emit("join_room", { room: any(rooms) });
      case "reconnect":
        clients[n]?.close();
        return open(place as Enter, n);
    }
  }
  async function work(): Promise<void> {
    const connection = createConnection(port);
    while (performance.now() < until) {
      if (next > performance.now()) {
        await pause(2);
        continue;
      }
      next = Math.max(next, performance.now() - 200) + 1_000 / rate;
      await act(connection);
      done += 1;
    }
    connection.close();
  }
  await Promise.all(Array.from({ length: workers }, work));
  const inside = () => clients.filter(({ joined }) => joined).length;
  // Some have only just been told to come back.
  for (const since = performance.now(); inside() < clients.length && performance.now() - since < 5_000; )
    await pause(10);
  const mean = latencies.reduce((sum, one) => sum + one, 0) / latencies.length;
  return {
    actions: done,
    requests: latencies.length,
    hits: hits.length,
    mean,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    hitP99: quantile(hits, 0.99),
    bad,
    delivered,
    inside: inside(),
  };
}

process.on("message", (order: Enter | Live) => {
  const work = order.kind === "enter" ? enter(order) : live(order);
  work.then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
