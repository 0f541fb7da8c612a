import { once } from "node:events";
import type { Figure, Table } from "../support/report.ts";
import { cpuOf } from "./processes.ts";
import type { Visitor } from "./seed.ts";
import { entered, openSocket } from "./writes.ts";

interface Side {
  name: string;
  url: string;
  pid: number;
}

const SOCKETS = 20;
const EACH = 80;

/** What a join sends of a channel's past, asked for by itself: the rest of a join is writing. */
async function measure({ url, pid }: Side, visitors: Visitor[]): Promise<{ cpu: number; p50: number }> {
  const sockets = await Promise.all(
    visitors.slice(0, SOCKETS).map(async (visitor, n) => {
      const socket = openSocket(url, visitor);
      await entered(socket, `channel-${(n % 5) * 2}`);
      return socket;
    }),
  );
  const latencies: number[] = [];
  const before = cpuOf(pid);
  await Promise.all(
    sockets.map(async (socket) => {
      for (let n = 0; n < EACH; n += 1) {
        const begun = performance.now();
        const history = once(socket as never, "history");
        socket.emit("get_history");
        await history;
        latencies.push(performance.now() - begun);
      }
    }),
  );
  const cpu = ((cpuOf(pid) - before) / latencies.length) * 1e6;
  for (const socket of sockets) socket.disconnect();
  latencies.sort((a, b) => a - b);
  return { cpu, p50: latencies[Math.floor(latencies.length / 2)] ?? 0 };
}

export async function histories(sides: Side[], visitors: Visitor[]): Promise<{ table: Table; figures: Figure[] }> {
  const all: { name: string; cpu: number; p50: number }[] = [];
  for (const [at, side] of sides.entries()) {
    // Others each time, whose limits are untouched.
    await measure(side, visitors.slice(at * 2 * SOCKETS));
    all.push({ name: side.name, ...(await measure(side, visitors.slice((at * 2 + 1) * SOCKETS))) });
  }
  const rows = all.map(({ name, cpu, p50 }) => [name, `${cpu.toFixed(0)} µs`, `${p50.toFixed(2)} ms`]);
  const table = { title: `history of a channel over ${SOCKETS} sockets`, head: ["side", "CPU each", "p50"], rows };
  const ratio = (name: string, of: "cpu" | "p50", target: number): Figure => {
    const [other = Number.NaN, ours = Number.NaN] = all.map((one) => one[of]);
    return { name, value: other / ours, ours, other, unit: "×", target };
  };
  return { table, figures: [ratio("history, less CPU", "cpu", 5), ratio("history, sooner there", "p50", 20)] };
}
