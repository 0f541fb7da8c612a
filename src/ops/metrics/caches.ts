import type { CacheEventSource, CacheEvents, RequestResult } from "../../cache/types.ts";
import type { Theme } from "../metrics.ts";
import { counter, gauge, sums } from "./series.ts";
import { tally } from "./tally.ts";

/** The caches of this instance; what their room answers does. */
export interface CacheSource {
  readonly events: CacheEventSource;
  readonly all: ReadonlyMap<string, { readonly on: boolean; readonly doubt: string | undefined }>;
}

const results: readonly RequestResult[] = ["l1", "redis", "mongo", "bypass"];
const fills: readonly CacheEvents["fill"]["result"][] = ["complete", "lost", "refused", "failed"];
const pushes: readonly CacheEvents["push"]["result"][] = ["changed", "same", "missing", "failed"];

/** By cache and result, without a look at labels for each request. */
function requests(registry: Parameters<Theme>[0], { events, all }: CacheSource): () => void {
  const counts = new Map<string, number>();
  for (const cache of all.keys()) for (const result of results) counts.set(`${cache} ${result}`, 0);
  sums<"cache" | "result">({
    registry,
    name: "chat_cache_requests_total",
    help: "Reads of a cache, by what answered: l1 is this process's memory, bypass is MongoDB without a look at Redis.",
    labels: { cache: [], result: [] },
    *read() {
      for (const [key, sum] of counts) {
        const [cache = "", result = ""] = key.split(" ");
        yield [{ cache, result }, sum];
      }
    },
  });
  sums<"cache">({
    registry,
    name: "chat_mongo_reads_saved_total",
    help: "Reads that a cache has answered, so that MongoDB was not asked.",
    labels: { cache: [] },
    *read() {
      for (const cache of all.keys())
        yield [{ cache }, (counts.get(`${cache} l1`) ?? 0) + (counts.get(`${cache} redis`) ?? 0)];
    },
  });
  const durations = tally({
    registry,
    name: "chat_cache_request_duration_seconds",
    help: "Time until a cache had answered a read, by what answered.",
    label: ["cache", "result"],
    known: [...counts.keys()],
    buckets: [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  });
  return events.on("request", ({ cache, result, seconds }) => {
    const key = `${cache} ${result}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    durations.observe(key, seconds);
  });
}

const minuteMs = 60_000;
const auditMinutes = 5;

/** What was found lately, by minutes: an alert on it must be able to end. */
function createFindings() {
  let minutes: { minute: number; fresh: number; stale: number }[] = [];
  const thisMinute = () => Math.floor(performance.now() / minuteMs);
  function lately() {
    minutes = minutes.filter(({ minute }) => minute > thisMinute() - auditMinutes);
    return minutes;
  }
  return {
    note(stale: boolean): void {
      const last = lately().at(-1);
      const current = last?.minute === thisMinute() ? last : { minute: thisMinute(), fresh: 0, stale: 0 };
      if (current !== last) minutes.push(current);
      current[stale ? "stale" : "fresh"] += 1;
    },
    get staleRatio(): number {
      const sum = (of: "fresh" | "stale") => lately().reduce((all, minute) => all + minute[of], 0);
      return sum("stale") / Math.max(1, sum("fresh") + sum("stale"));
    },
  };
}

function audits(registry: Parameters<Theme>[0], { events, all }: CacheSource): () => void {
  const seen = new Map([...all.keys()].map((cache) => [cache, { findings: createFindings(), ageMs: 0 }]));
  gauge<"cache">({
    registry,
    name: "chat_cache_stale_ratio",
    help: "Of the answers from Redis that were compared with MongoDB in the last 5 minutes, the share that was wrong, 0 to 1.",
    labels: { cache: [...all.keys()] },
    read(made) {
      for (const [cache, { findings }] of seen) made.set({ cache }, findings.staleRatio);
    },
  });
  gauge<"cache">({
    registry,
    name: "chat_cache_stale_age_seconds",
    help: "How long the last wrong answer was seen to differ from MongoDB before it was thrown away; 0 while none was found.",
    labels: { cache: [...all.keys()] },
    read(made) {
      for (const [cache, { ageMs }] of seen) made.set({ cache }, ageMs / 1_000);
    },
  });
  const compared = counter({
    registry,
    name: "chat_cache_audits_total",
    help: "Answers from Redis that were compared with MongoDB; stale: they had differed for a second, and were thrown away.",
    labels: { cache: [...all.keys()], result: ["fresh", "stale"] },
  });
  return events.on("audit", ({ cache, stale, ageMs }) => {
    compared.inc({ cache, result: stale ? "stale" : "fresh" });
    const one = seen.get(cache);
    if (!one) return;
    one.findings.note(stale);
    if (stale) one.ageMs = ageMs;
  });
}

function maintenance(registry: Parameters<Theme>[0], { events, all }: CacheSource): (() => void)[] {
  const cache = [...all.keys()];
  const filled = counter({
    registry,
    name: "chat_cache_fills_total",
    help: "Fills from MongoDB by this instance; lost: the lease was over, refused: Redis cannot hold what MongoDB has.",
    labels: { cache, result: fills },
  });
  const waited = counter({
    registry,
    name: "chat_cache_waits_total",
    help: "Reads that waited for another's fill, and who answered them in the end.",
    labels: { cache, result: ["redis", "mongo"] },
  });
  const pushed = counter({
    registry,
    name: "chat_cache_pushes_total",
    help: "Writes that were told to Redis; missing: it did not hold that key.",
    labels: { cache, result: pushes },
  });
  const dropped = counter({
    registry,
    name: "chat_cache_drops_total",
    help: "Keys that were thrown away because something in them was, or may have been, old.",
    labels: { cache },
  });
  const bytes = counter({
    registry,
    name: "chat_cache_bytes_total",
    help: "Characters of content sent to Redis, by what for.",
    labels: { cache, way: ["fill", "push"] },
  });
  const errors = counter({
    registry,
    name: "chat_cache_write_errors_total",
    help: "Fills, pushes and drops that Redis did not take, or perhaps; such a key is thrown away before it is believed again.",
    labels: { cache },
  });
  return [
    events.on("fill", ({ cache, result, bytes: size }) => {
      filled.inc({ cache, result });
      bytes.inc({ cache, way: "fill" }, size);
    }),
    events.on("wait", ({ cache, result }) => waited.inc({ cache, result })),
    events.on("push", ({ cache, result, bytes: size }) => {
      pushed.inc({ cache, result });
      bytes.inc({ cache, way: "push" }, size);
    }),
    events.on("drop", ({ cache }) => dropped.inc({ cache })),
    events.on("error", ({ cache, what }) => {
      if (what !== "read") errors.inc({ cache });
    }),
  ];
}

/** What the caches answer, and what it costs to keep them right. */
export function cacheMetrics(source: CacheSource): Theme {
  return (registry) => {
    gauge<"cache">({
      registry,
      name: "chat_cache_on",
      help: "1 while the cache is switched on and there is a Redis for it.",
      labels: { cache: [...source.all.keys()] },
      read(made) {
        for (const [cache, { on }] of source.all) made.set({ cache }, on ? 1 : 0);
      },
    });
    const ends = [requests(registry, source), audits(registry, source), ...maintenance(registry, source)];
    return () => {
      for (const end of ends) end();
    };
  };
}
