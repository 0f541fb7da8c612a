import { createHook } from "node:async_hooks";
import { Socket } from "node:net";
import v8 from "node:v8";
import { until } from "./until.ts";

/** Timers that hold nobody up are not among the active resources, and may be left behind all the same. */
const timers = new Set<number>();
createHook({
  init: (id, type) => void (type === "Timeout" && timers.add(id)),
  destroy: (id) => void timers.delete(id),
}).enable();

/** What is open in this process, by kind, with the kinds that belong to the test itself taken out. */
export function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (!/TCP|TLS|Immediate|GetAddrInfo/.test(kind)) continue;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return { ...counts, Timeout: timers.size };
}

/** Sockets that something still holds on to, open or not; undefined where the runtime cannot count them. */
export function socketsInMemory(): number | undefined {
  const { queryObjects } = v8 as { queryObjects?: (kind: unknown, options: object) => number };
  return queryObjects?.(Socket, { format: "count" });
}

/** Until there are no more of any kind than before: closing a socket takes a turn of the loop. */
export async function noMoreThan(before: Record<string, number>, slack: Record<string, number> = {}): Promise<void> {
  const more = () =>
    Object.entries(handles()).filter(([kind, count]) => count > (before[kind] ?? 0) + (slack[kind] ?? 0));
  await until(() => more().length === 0, { describe: () => ({ more: more(), before }), timeoutMs: 15_000 });
}
