import { once } from "node:events";
import type { Socket } from "socket.io-client";
import { cpuOf } from "../stage/processes.ts";
import type { Visitor } from "../stage/seed.ts";
import { type Figure, micro, ms, type Table } from "../support/report.ts";
import { rounds as inTurns } from "../support/rounds.ts";
import { median } from "../support/sums.ts";
import { timesLess } from "./rounds.ts";
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
  let from = 0;
  const rounds = await inTurns(sides, ROUNDS, (side) => {
    // Others each time, whose limits are untouched.
    const fresh = visitors.slice(from);
    from += SOCKETS + 1;
    return measure(side, fresh);
  });
  const rows = [...rounds].map(([{ name }, list]) => {
    const middle = (of: keyof Round) => median(list.map((one) => one[of]));
    return [name, micro(middle("cpu")), ms(middle("p50")), ms(middle("alone"))];
  });
  const head = ["side", "CPU each", "p50, all at once", "p50, alone"];
  const table = { title: `history of a channel over ${SOCKETS} sockets`, head, rows };
  const [off = [], on = []] = [...rounds.values()];
  const ratio = (name: string, of: keyof Round, target: number): Figure => ({
    ...timesLess(
      on.map((one) => one[of]),
      off.map((one) => one[of]),
    ),
    ...{ name, unit: "×", target },
  });
  return { table, figures: [ratio("history, less CPU", "cpu", 5), ratio("history, sooner there", "p50", 20)] };
}
