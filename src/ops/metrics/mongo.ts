import type { Sampler } from "../../kernel/sampler.ts";
import type { MongoMonitor } from "../../mongo/monitor.ts";
import type { Theme } from "../metrics.ts";
import { gauge, sums } from "./series.ts";
import { tally } from "./tally.ts";

const queries = ["find", "aggregate", "count", "distinct", "findAndModify", "insert", "update", "delete", "getMore"];
const known = new Set(queries);
/** What every server asks sooner or later, whose series are there before it does. */
const collections = ["channels", "messages", "users", "sessions", "session_handles", "sluice_settings"];
const usual = ["find", "insert", "update", "delete"];

/** What this instance asks of MongoDB. */
export function mongoMetrics({ monitor, probe }: { monitor: MongoMonitor; probe: Sampler<number> }): Theme {
  return (registry) => {
    gauge({
      registry,
      name: "chat_mongo_up",
      help: "1 while MongoDB answers.",
      read: (made) => made.set(probe.latest?.ok ? 1 : 0),
    });
    const counts = new Map<
      string,
      { labels: { collection: string; command: string }; asked: number; failed: number }
    >();
    for (const collection of collections)
      for (const command of usual)
        counts.set(`${collection} ${command}`, { labels: { collection, command }, asked: 0, failed: 0 });
    const read = (figure: "asked" | "failed") => () =>
      [...counts.values()].map(({ labels, [figure]: sum }) => [labels, sum] as const);
    sums({
      registry,
      name: "chat_mongo_queries_total",
      help: "Commands sent to MongoDB, by collection.",
      labels: { collection: [], command: [] },
      read: read("asked"),
    });
    sums({
      registry,
      name: "chat_mongo_errors_total",
      help: "Commands to MongoDB that failed, by collection.",
      labels: { collection: [], command: [] },
      read: read("failed"),
    });
    const durations = tally({
      registry,
      name: "db_query_duration_seconds",
      help: "Time until MongoDB answered a command.",
      label: "query_type",
      known: [...queries, "other"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    });
    return monitor.events.on("command", ({ collection, command, seconds, ok }) => {
      const key = `${collection} ${command}`;
      const count = counts.get(key) ?? { labels: { collection, command }, asked: 0, failed: 0 };
      counts.set(key, count);
      count.asked++;
      if (!ok) count.failed++;
      if (command !== "changeStream") durations.observe(known.has(command) ? command : "other", seconds);
    });
  };
}
