import type { CacheBus } from "../../cache/bus-types.ts";
import type { L1, L1Stats } from "../../cache/l1.ts";
import type { Theme } from "../metrics.ts";
import { counter, gauge, sums } from "./series.ts";

export interface MemorySource {
  bus: CacheBus;
  l1: Pick<L1, "stats">;
}

const reasons = ["gap", "newcomer", "subscription", "silence", "peer"] as const;
const ends = ["stored", "spoiled", "dropped", "evicted"] as const satisfies (keyof L1Stats)[];

/** What this process keeps of the caches in its own memory, and whether it hears that it must forget. */
export function memoryMetrics({ bus, l1 }: MemorySource): Theme {
  return (registry) => {
    gauge({
      registry,
      name: "chat_bus_well",
      help: "1 while this instance hears what the others change, so that its memory may be used.",
      read: (made) => made.set(bus.well ? 1 : 0),
    });
    gauge({
      registry,
      name: "chat_bus_lag_seconds",
      help: "What a message between instances takes; while none arrives, how long that has been so.",
      read: (made) => made.set(bus.lagMs / 1_000),
    });
    gauge({
      registry,
      name: "chat_bus_peers",
      help: "Other instances that are heard.",
      read: (made) => made.set(bus.peers),
    });
    const missed = counter({
      registry,
      name: "chat_bus_missed_total",
      help: "How often this instance forgot what it kept because it may have missed something, by reason.",
      labels: { reason: reasons },
    });
    gauge({
      registry,
      name: "chat_cache_memory_bytes",
      help: "What the caches take of this process's own memory.",
      read: (made) => made.set(l1.stats().bytes),
    });
    gauge({
      registry,
      name: "chat_cache_memory_limit_bytes",
      help: "What the caches may take of this process's own memory.",
      read: (made) => made.set(l1.stats().limitBytes),
    });
    sums<"result">({
      registry,
      name: "chat_cache_memory_values_total",
      help: "Values that were kept in this process's memory, or why they are not: changed while they were loaded, changed, or no room.",
      labels: { result: ends },
      *read() {
        const stats = l1.stats();
        for (const result of ends) yield [{ result }, stats[result]];
      },
    });
    return bus.events.on("missed", ({ reason }) => missed.inc({ reason }));
  };
}
