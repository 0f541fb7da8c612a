import type { Load } from "../load.ts";
import type { Theme } from "../metrics.ts";
import { gauge } from "./series.ts";

const seconds = 15;

/** How full the instance is, for whatever starts and stops instances. */
export function loadMetrics(load: Load): Theme {
  return (registry) => {
    gauge({
      registry,
      name: "chat_load_ratio",
      help: "How much is used of what the instance has, over 15 s: event_loop of its one thread, cpu of all processors, memory of its limit.",
      labels: { resource: ["event_loop", "cpu", "memory"] },
      read(made) {
        for (const [resource, used] of Object.entries(load.over(seconds)))
          made.set({ resource: resource as "event_loop" | "cpu" | "memory" }, used);
      },
    });
    return () => {};
  };
}
