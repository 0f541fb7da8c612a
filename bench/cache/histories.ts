import { once } from "node:events";
import { cpuOf } from "./processes.ts";
import type { Visitor } from "./seed.ts";
import { openSocket } from "./writes.ts";

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
      await once(socket as never, "connect");
      const history = once(socket as never, "history");
      socket.emit("join_room", { room: `channel-${(n % 5) * 2}` });
      await history;
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

export async function histories(sides: Side[], visitors: Visitor[]): Promise<void> {
  console.log(`\nhistory of a channel over ${SOCKETS} sockets`);
  const all = new Map<string, { cpu: number; p50: number }>();
  for (const [at, side] of sides.entries()) {
    // Others each time, whose limits are untouched.
    await measure(side, visitors.slice(at * 2 * SOCKETS));
    const figures = await measure(side, visitors.slice((at * 2 + 1) * SOCKETS));
    all.set(side.name, figures);
    console.log(`${side.name.padEnd(26)} ${figures.cpu.toFixed(0)} µs CPU, ${figures.p50.toFixed(2)} ms`);
  }
  const [off, on] = [...all.values()];
  if (!off || !on) return;
  const verdict = (ratio: number, target: number) => (ratio >= target ? "reached" : "MISSED");
  console.log(`  less CPU: ${(off.cpu / on.cpu).toFixed(1)}×, target 5×: ${verdict(off.cpu / on.cpu, 5)}`);
  console.log(`  sooner there: ${(off.p50 / on.p50).toFixed(1)}×, target 20×: ${verdict(off.p50 / on.p50, 20)}`);
}
