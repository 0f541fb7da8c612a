import { availableParallelism, totalmem } from "node:os";
import { performance } from "node:perf_hooks";
import type { Theme } from "../metrics.ts";
import { gauge } from "./series.ts";

const lookEveryMs = 1_000;
const windowLooks = 15;

/** What the process may use of the machine: less than all of it in a container. */
function memoryLimit(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

function look() {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), cpuMs: (user + system) / 1_000, loop: performance.eventLoopUtilization() };
}

/** How full the instance is, for whatever starts and stops instances; a window of its own, so that many may ask. */
export function loadMetrics(): Theme {
  return (registry) => {
    const looks = [look()];
    const timer = setInterval(() => {
      looks.push(look());
      if (looks.length > windowLooks) looks.shift();
    }, lookEveryMs);
    timer.unref();
    gauge({
      registry,
      name: "chat_load_ratio",
      help: "How much is used of what the instance has, over 15 s: event_loop of its one thread, cpu of all processors, memory of its limit.",
      labels: { resource: ["event_loop", "cpu", "memory"] },
      read(made) {
        const [before, now] = [looks[0] ?? look(), look()];
        const elapsed = Math.max(1, now.at - before.at);
        made.set({ resource: "event_loop" }, performance.eventLoopUtilization(now.loop, before.loop).utilization);
        made.set({ resource: "cpu" }, (now.cpuMs - before.cpuMs) / elapsed / availableParallelism());
        made.set({ resource: "memory" }, process.memoryUsage.rss() / memoryLimit());
      },
    });
    return () => clearInterval(timer);
  };
}
