import { once } from "node:events";
import type { Socket } from "socket.io-client";
import type { Figure, Table } from "../support/report.ts";
import { median, ratioOf } from "../support/sums.ts";
import { cpuOf } from "./processes.ts";
import type { Visitor } from "./seed.ts";
import { entered, openSocket } from "./writes.ts";

interface Side {
  name: string;
  url: string;
  pid: number;
}

const SOCKETS = 20;
const WARM = 15;
/** With the warm ones and the join, fewer than a user may send in ten seconds. */
const EACH = 85;
const ROUNDS = 3;

interface Round {
  /** Microseconds of the server's processor for each. */
  cpu: number;
  /** While all ask at once. */
  p50: number;
  /** While nobody else asks. */
  alone: number;
}

async function enter(url: string, visitor: Visitor, n: number): Promise<Socket> {
  const socket = openSocket(url, visitor);
  await entered(socket, `channel-${(n % 5) * 2}`);
  return socket;
}

async function ask(socket: Socket, times: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const begun = performance.now();
    const history = once(socket as never, "history");
    socket.emit("get_history");
    await history;
    latencies.push(performance.now() - begun);
  }
  return latencies;
}

/** What a join sends of a channel's past, asked for by itself: the rest of a join is writing. */
async function measure({ url, pid }: Side, visitors: Visitor[]): Promise<Round> {
  const sockets = await Promise.all(visitors.slice(0, SOCKETS).map((visitor, n) => enter(url, visitor, n)));
  const all = (times: number) => Promise.all(sockets.map((socket) => ask(socket, times)));
  await all(WARM);
  const before = cpuOf(pid);
  const latencies = (await all(EACH)).flat();
  const cpu = ((cpuOf(pid) - before) / latencies.length) * 1e6;
  for (const socket of sockets) socket.disconnect();
  const single = await enter(url, visitors[SOCKETS] as Visitor, 0);
  await ask(single, WARM);
  const alone = median(await ask(single, EACH));
  single.disconnect();
  return { cpu, p50: median(latencies), alone };
}

export async function histories(sides: Side[], visitors: Visitor[]): Promise<{ table: Table; figures: Figure[] }> {
  const rounds = new Map<string, Round[]>(sides.map(({ name }) => [name, []]));
  let from = 0;
  for (let round = 0; round < ROUNDS; round += 1)
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
      // Others each time, whose limits are untouched.
      rounds.get(side.name)?.push(await measure(side, visitors.slice(from)));
      from += SOCKETS + 1;
    }
  const figuresOf = (name: string, of: keyof Round) => (rounds.get(name) ?? []).map((one) => one[of]);
  const rows = sides.map(({ name }) => {
    const middle = (of: keyof Round) => median(figuresOf(name, of));
    return [
      name,
      `${middle("cpu").toFixed(0)} µs`,
      `${middle("p50").toFixed(2)} ms`,
      `${middle("alone").toFixed(2)} ms`,
    ];
  });
  const head = ["side", "CPU each", "p50, all at once", "p50, alone"];
  const table = { title: `history of a channel over ${SOCKETS} sockets`, head, rows };
  const [off = "", on = ""] = sides.map(({ name }) => name);
  const ratio = (name: string, of: keyof Round, target: number): Figure => {
    const { ours, other, ...ratios } = ratioOf(figuresOf(off, of), figuresOf(on, of));
    return { name, ...ratios, ours: other, other: ours, unit: "×", target };
  };
  return { table, figures: [ratio("history, less CPU", "cpu", 5), ratio("history, sooner there", "p50", 20)] };
}
