import { availableParallelism, totalmem } from "node:os";
import { performance } from "node:perf_hooks";
import type { Figure } from "./checks.ts";

/** How much is used of what the process has, each from 0 to 1. */
export interface Use {
  readonly event_loop: number;
  readonly cpu: number;
  readonly memory: number;
}

export interface Load {
  /** Over the last seconds, as many as are remembered at most. */
  over(seconds: number): Use;
  close(): void;
}

const lookEveryMs = 1_000;
const longest = 15;

/** What the process may use of the machine: less than all of it in a container. */
function memoryLimit(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

function look() {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), cpuMs: (user + system) / 1_000, loop: performance.eventLoopUtilization() };
}

/** Looks once a second, so that many may ask and none of them moves the window of the others. */
export function watchLoad(): Load {
  const looks = [look()];
  const timer = setInterval(() => {
    looks.push(look());
    if (looks.length > longest) looks.shift();
  }, lookEveryMs);
  timer.unref();
  return {
    over(seconds) {
      const [before, now] = [looks.at(-seconds) ?? looks[0] ?? look(), look()];
      const elapsed = Math.max(1, now.at - before.at);
      return {
        event_loop: performance.eventLoopUtilization(now.loop, before.loop).utilization,
        cpu: (now.cpuMs - before.cpuMs) / elapsed / availableParallelism(),
        memory: process.memoryUsage.rss() / memoryLimit(),
      };
    },
    close: () => clearInterval(timer),
  };
}

// As the alert has it, which waits for longer.
const nearlyAll = 0.9;
const seconds = 2;
const words: Record<keyof Use, string> = { event_loop: "event loop", cpu: "processors", memory: "memory" };

/** What the health page says of it. */
export function loadFigures(load: Load): Figure[] {
  const use = load.over(seconds);
  return (Object.keys(words) as (keyof Use)[]).map((id) => {
    const value = Math.round(use[id] * 1_000) / 1_000;
    if (use[id] <= nearlyAll) return { id, value };
    return { id, value, status: "warn", output: `${Math.round(use[id] * 100)} % of the ${words[id]} is used` };
  });
}
