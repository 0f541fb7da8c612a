import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import type { Registry } from "prom-client";
import type { Theme } from "../metrics.ts";
import { gauge, histogram, sums } from "./series.ts";

const kinds = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
]);

const memory = {
  process_resident_memory_bytes: ["rss", "Memory of the process in RAM."],
  nodejs_heap_size_used_bytes: ["heapUsed", "Heap in use."],
  nodejs_heap_size_total_bytes: ["heapTotal", "Heap taken from the system."],
  nodejs_external_memory_bytes: ["external", "Memory of buffers outside of the heap."],
} as const;

function identity(registry: Registry, version: string): void {
  gauge({
    registry,
    name: "build_info",
    help: "Which release of sluice on which Node runs; always 1.",
    labels: { version: [], node: [] },
  }).set({ version, node: process.versions.node }, 1);
  gauge({ registry, name: "process_start_time_seconds", help: "When the process was started, as Unix time." }).set(
    Math.round(Date.now() / 1_000 - process.uptime()),
  );
}

function resources(registry: Registry): void {
  sums({
    registry,
    name: "process_cpu_seconds_total",
    help: "Processor time that the process has used.",
    read() {
      const { user, system } = process.cpuUsage();
      return [[{}, (user + system) / 1e6]];
    },
  });
  for (const [name, [figure, help]] of Object.entries(memory))
    gauge({ registry, name, help, read: (made) => made.set(process.memoryUsage()[figure]) });
  gauge({
    registry,
    name: "nodejs_active_resources",
    help: "What keeps the event loop alive: sockets, timers, requests.",
    read: (made) => made.set(process.getActiveResourcesInfo().length),
  });
}

const lookEveryMs = 20;

/** How late a timer comes; a histogram, so that nothing is lost between two readers as Node's own monitor loses it. */
function eventLoop(registry: Registry): () => void {
  const lag = histogram({
    registry,
    name: "nodejs_eventloop_lag_seconds",
    help: "How late the event loop came to a timer that was due.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  });
  let due = performance.now() + lookEveryMs;
  const timer = setInterval(() => {
    const now = performance.now();
    lag.observe(Math.max(0, now - due) / 1_000);
    due = now + lookEveryMs;
  }, lookEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

const kindOf = (entry: PerformanceEntry) =>
  kinds.get((entry as PerformanceEntry & { detail?: { kind?: number } }).detail?.kind ?? -1);

function garbage(registry: Registry): () => void {
  const pauses = histogram({
    registry,
    name: "nodejs_gc_duration_seconds",
    help: "Pauses for the collection of garbage, by kind.",
    labels: { kind: [...kinds.values()] },
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
  });
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = kindOf(entry);
      if (kind) pauses.observe({ kind }, entry.duration / 1_000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => observer.disconnect();
}

/** The process itself. Prom-client's own set cannot be taken: it is never released, and promtool refuses its names. */
export function processMetrics({ version }: { version: string }): Theme {
  return (registry) => {
    identity(registry, version);
    resources(registry);
    const ends = [eventLoop(registry), garbage(registry)];
    return () => {
      for (const end of ends) end();
    };
  };
}
