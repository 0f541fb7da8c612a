import type { Events } from "../../kernel/events.ts";
import type {
  Comparison,
  FallbackReason,
  Operation,
  OperationResult,
  SessionEventSource,
  SessionEvents,
  SessionMode,
  SessionStats,
} from "../../sessions/types.ts";
import type { Theme } from "../metrics.ts";
import { counter, gauge, oneOf, sums } from "./series.ts";
import { tally } from "./tally.ts";

export interface SessionSource {
  events: SessionEventSource;
  stats(): SessionStats;
  /** Of the dial: that it has stepped down by itself. */
  steps: Events<{ steppedDown: { cause: string; from: number; to: number } }>;
}

type Store = "redis" | "mongo";

const modes: SessionMode[] = ["off", "shadow", "serve"];
const reasons: FallbackReason[] = ["redis", "deadline", "stream", "epoch", "older", "foreign", "unreadable"];
const comparisons: Comparison[] = ["same", "absent", "old epoch", "skipped", "different", "extra"];
const causes = ["errors", "latency", "missing"];
const changes: SessionEvents["followed"]["change"][] = [
  "deleted",
  "foreign",
  "no redis",
  "settled",
  "shortened",
  "revived",
];
const shown: [Operation, Store, OperationResult[]][] = [
  ["get", "redis", ["hit"]],
  ["get", "mongo", ["hit", "miss", "missing", "error"]],
  ["set", "mongo", ["ok", "gone", "superseded", "error"]],
  ["touch", "redis", ["ok", "miss", "error"]],
  ["touch", "mongo", ["ok", "gone", "error"]],
  ["destroy", "mongo", ["ok", "error"]],
];
const word = (text: string) => text.replaceAll(" ", "_");

function standing(registry: Parameters<Theme>[0], { stats }: SessionSource): void {
  gauge({
    registry,
    name: "chat_session_rollout_ratio",
    help: "Where the dial stands here: the share of sessions that Redis answers for, 0 to 1.",
    read(made) {
      const { mode, percent } = stats();
      made.set(mode === "serve" ? percent / 100 : 0);
    },
  });
  oneOf({
    registry,
    name: "chat_session_mode",
    help: "1 for the mode that the sessions' dial is in here.",
    states: modes,
    now: () => stats().mode,
  });
  gauge({
    registry,
    name: "chat_session_epoch",
    help: "The epoch that copies of sessions must carry to be believed, as known here.",
    read: (made) => made.set(stats().epoch),
  });
  gauge({
    registry,
    name: "chat_session_read_from_redis",
    help: "1 while the sessions of the bucket are read from Redis; 0 while MongoDB answers for all.",
    read: (made) => made.set(stats().readingFrom === "redis" ? 1 : 0),
  });
}

/** By op, store and result, without a look at labels for each operation. */
function operations(registry: Parameters<Theme>[0], { events }: SessionSource): () => void {
  const counts = new Map<string, Map<OperationResult, number>>();
  for (const [op, store, results] of shown) counts.set(`${op} ${store}`, new Map(results.map((result) => [result, 0])));
  sums<"op" | "store" | "result">({
    registry,
    name: "chat_session_operations_total",
    help: "What was asked of the session store, which database answered, and what came of it.",
    labels: { op: [], store: [], result: [] },
    *read() {
      for (const [key, results] of counts) {
        const [op = "", store = ""] = key.split(" ");
        for (const [result, sum] of results) yield [{ op, store, result }, sum];
      }
    },
  });
  const durations = tally({
    registry,
    name: "chat_session_operation_duration_seconds",
    help: "Time until the session store had answered.",
    label: ["op", "store"],
    known: [...counts.keys()],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  });
  return events.on("operation", ({ op, store, result, seconds }) => {
    const key = `${op} ${store}`;
    const results = counts.get(key) ?? new Map<OperationResult, number>();
    counts.set(key, results);
    results.set(result, (results.get(result) ?? 0) + 1);
    durations.observe(key, seconds);
  });
}

function events(registry: Parameters<Theme>[0], source: SessionSource): (() => void)[] {
  const fallbacks = counter({
    registry,
    name: "chat_session_fallbacks_total",
    help: "Reads in the bucket that MongoDB had to answer although the dial says Redis, by reason.",
    labels: { reason: reasons },
  });
  const missing = counter({
    registry,
    name: "chat_session_missing_total",
    help: "Cookies with a valid signature that found no session: many of them are logouts.",
  });
  const epochs = counter({
    registry,
    name: "chat_session_epochs_total",
    help: "Epochs that this instance has made, each of which makes every copy in Redis old.",
  });
  const compared = counter({
    registry,
    name: "chat_session_comparisons_total",
    help: "Copies compared with MongoDB in shadow mode; different and extra are wrong.",
    labels: { result: comparisons.map(word) },
  });
  const followed = counter({
    registry,
    name: "chat_session_corrections_total",
    help: "Copies put right because of a change that another server made, and whether that went well.",
    labels: { change: changes.map(word), ok: ["true", "false"] },
  });
  const steps = counter({
    registry,
    name: "chat_session_step_downs_total",
    help: "How often this instance has turned the dial down by itself, by cause.",
    labels: { cause: causes },
  });
  return [
    source.events.on("fallback", ({ reason }) => fallbacks.inc({ reason })),
    source.events.on("missing", () => missing.inc()),
    source.events.on("epoch", ({ bumped }) => {
      if (bumped) epochs.inc();
    }),
    source.events.on("compared", ({ result }) => compared.inc({ result: word(result) })),
    source.events.on("followed", ({ change, ok }) => followed.inc({ change: word(change), ok: String(ok) })),
    source.steps.on("steppedDown", ({ cause }) => steps.inc({ cause })),
  ];
}

/** How the sessions fare on their way between MongoDB and Redis. */
export function sessionMetrics(source: SessionSource): Theme {
  return (registry) => {
    standing(registry, source);
    const ends = [operations(registry, source), ...events(registry, source)];
    return () => {
      for (const end of ends) end();
    };
  };
}
