import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import { figure, graph, states } from "./panels.ts";

export interface Row {
  title: string;
  panels: Builder<Panel>[];
}

const here = 'instance=~"$instance"';
const rate = (selector: string, by: string) => `sum by (${by}) (rate(${selector}[$__rate_interval]))`;
const p95 = (metric: string, filter: string, by: string) =>
  `histogram_quantile(0.95, sum by (${by}, le) (rate(${metric}_bucket{${filter}}[$__rate_interval])))`;

const rollout: Row = {
  title: "Rollout: how much Redis answers",
  panels: [
    graph({
      title: "The dial",
      says: "Share of the sessions that Redis answers for, on each server. The lines lie on each other; two lines for long are the alert DialDiffers.",
      queries: [[`chat_session_rollout_ratio{${here}}`, "{{instance}}"]],
      unit: "percentunit",
      max: 1,
    }),
    graph({
      title: "Sessions are read from",
      says: "Reads by the database that answered. After a step of the dial the shares follow it within seconds.",
      queries: [[rate(`chat_session_operations_total{op="get",${here}}`, "store"), "{{store}}"]],
      unit: "reqps",
      stacked: true,
    }),
    graph({
      title: "Good cookies without a session",
      says: "Each may be somebody who was logged out. It must not rise with the dial.",
      queries: [[rate(`chat_session_missing_total{${here}}`, "instance"), "{{instance}}"]],
      unit: "reqps",
    }),
    figure({
      title: "Since the last change",
      says: "When somebody turned the dial or the kill switch last. A graph that broke then has found its cause.",
      queries: [["time() - max(chat_rollout_last_change_timestamp_seconds > 0)", "ago"]],
      unit: "s",
    }),
    figure({
      title: "Steps down, 24 h",
      says: "How often a server has turned the dial down by itself.",
      queries: [["sum(increase(chat_session_step_downs_total[24h]))", "steps"]],
      bad: 1,
    }),
    states({
      title: "Mode",
      says: "off, shadow (compares only) or serve (the dial counts).",
      queries: [["max by (state) (chat_session_mode)", "{{state}}"]],
    }),
    graph({
      title: "New epochs",
      says: "Each makes every copy in Redis old at once. A few after an outage are right; a steady rate is not.",
      queries: [["sum(increase(chat_session_epochs_total[5m]))", "in 5 minutes"]],
    }),
  ],
};

const fallback: Row = {
  title: "Fallback: Redis as the servers see it",
  panels: [
    states({
      title: "Redis",
      says: "The state of Redis, as most servers see it.",
      queries: [[`max by (state) (chat_redis_state{${here}})`, "{{state}}"]],
      wide: 6,
    }),
    states({
      title: "Breaker",
      says: "open: no command goes to Redis. half_open: it answers, and is put in order first.",
      queries: [[`max by (state) (chat_redis_breaker_state{${here}})`, "{{state}}"]],
      wide: 6,
    }),
    states({
      title: "Sessions of the bucket come from Redis",
      says: "1 while they do. 0 with the dial above 0 is the alert FallbackActive.",
      queries: [[`chat_session_read_from_redis{${here}}`, "{{instance}}"]],
      wide: 6,
    }),
    states({
      title: "Messages between servers arrive",
      says: "1 while what the others tell over Redis arrives. 0 although Redis is up is the alert RedisMessagesLost.",
      queries: [[`chat_bus_well{${here}}`, "{{instance}}"]],
      wide: 6,
    }),
    graph({
      title: "Fallbacks of sessions by reason",
      says: "Reads that MongoDB answered although the dial says Redis.",
      queries: [[rate(`chat_session_fallbacks_total{${here}}`, "reason"), "{{reason}}"]],
      unit: "reqps",
    }),
    graph({
      title: "Calls to Redis without an answer",
      says: "By kind: down (not asked), deadline and budget (not in time), refused (no writes), failed (an error).",
      queries: [[rate(`chat_redis_errors_total{${here}}`, "kind"), "{{kind}}"]],
      unit: "reqps",
    }),
    figure({
      title: "Switched off",
      says: "Servers on which the kill switch or DISABLE_REDIS is on.",
      queries: [["sum(chat_redis_disabled)", "servers"]],
      bad: 1,
    }),
    graph({
      title: "Connecting fails",
      says: "Share of the attempts to connect that fail; above 5 % is an alert.",
      queries: [
        [
          `${rate(`chat_redis_connect_failures_total{${here}}`, "instance")} / (${rate(`chat_redis_connect_attempts_total{${here}}`, "instance")} > 0)`,
          "{{instance}}",
        ],
      ],
      unit: "percentunit",
      bad: 0.05,
      wide: 4,
    }),
  ],
};

const latency: Row = {
  title: "Latency with and without cache",
  panels: [
    graph({
      title: "Answers, p95, by where they came from",
      says: "l1 and redis are with cache; mongo, bypass and none without. The first must lie below the others.",
      queries: [[p95("chat_http_request_duration_seconds", `route=~"/api/.*",${here}`, "cache"), "{{cache}}"]],
      unit: "s",
    }),
    graph({
      title: "Reads of caches, p95",
      says: "redis above mongo for ten minutes is the alert RedisSlowerThanMongo.",
      queries: [[p95("chat_cache_request_duration_seconds", here, "result"), "{{result}}"]],
      unit: "s",
    }),
    graph({
      title: "Reads of sessions, p95",
      says: "Redis against MongoDB.",
      queries: [[p95("chat_session_operation_duration_seconds", `op="get",${here}`, "store"), "{{store}}"]],
      unit: "s",
    }),
    graph({
      title: "Requests",
      says: "By what came of them.",
      queries: [[rate(`chat_http_request_duration_seconds_count{${here}}`, "code"), "{{code}}"]],
      unit: "reqps",
      stacked: true,
      wide: 12,
    }),
    graph({
      title: "Slowest routes, p95",
      says: "The five that take longest.",
      queries: [[`topk(5, ${p95("chat_http_request_duration_seconds", here, "route")})`, "{{route}}"]],
      unit: "s",
      wide: 12,
    }),
  ],
};

const caches: Row = {
  title: "Each cache",
  panels: [
    graph({
      title: "Hit rate",
      says: "Share that the cache answered. Wanted: above 80 %; below 70 % is an alert.",
      queries: [
        [
          `${rate(`chat_cache_requests_total{result=~"l1|redis",${here}}`, "cache")} / ${rate(`chat_cache_requests_total{${here}}`, "cache")}`,
          "{{cache}}",
        ],
      ],
      unit: "percentunit",
      max: 1,
    }),
    graph({
      title: "Stale answers",
      says: "Share of the audited answers that MongoDB would not have given. Always 0.",
      queries: [[`max by (cache) (chat_cache_stale_ratio{${here}})`, "{{cache}}"]],
      unit: "percentunit",
      bad: 0.001,
    }),
    graph({
      title: "Requests by result",
      says: "l1, redis: hits. mongo: misses. bypass: Redis was not asked.",
      queries: [[rate(`chat_cache_requests_total{${here}}`, "cache, result"), "{{cache}} {{result}}"]],
      unit: "reqps",
      stacked: true,
    }),
    states({
      title: "Switched on",
      says: "By its switch, and because there is a Redis for it.",
      queries: [["max by (cache) (chat_cache_on)", "{{cache}}"]],
    }),
    graph({
      title: "Kept right",
      says: "Fills from MongoDB, pushes of what was written, and keys thrown away. Many that are thrown away: Redis is in trouble.",
      queries: [
        [rate(`chat_cache_fills_total{${here}}`, "result"), "fill {{result}}"],
        [rate(`chat_cache_pushes_total{${here}}`, "result"), "push {{result}}"],
        [`sum(rate(chat_cache_drops_total{${here}}[$__rate_interval]))`, "thrown away"],
        [`sum(rate(chat_cache_write_errors_total{${here}}[$__rate_interval]))`, "not taken by Redis"],
      ],
      unit: "ops",
    }),
    graph({
      title: "Reads out of Redis, p95, by cache",
      says: "Wanted: below 5 ms.",
      queries: [[p95("chat_cache_request_duration_seconds", `result="redis",${here}`, "cache"), "{{cache}}"]],
      unit: "s",
      bad: 0.005,
    }),
  ],
};

const saved: Row = {
  title: "MongoDB queries saved",
  panels: [
    graph({
      title: "Reads: asked and saved",
      says: "What MongoDB was asked, and what it was spared by the caches.",
      queries: [
        [`sum(rate(chat_mongo_queries_total{command=~"find|aggregate|count",${here}}[$__rate_interval]))`, "asked"],
        [`sum(rate(chat_mongo_reads_saved_total{${here}}[$__rate_interval]))`, "saved"],
      ],
      unit: "reqps",
      stacked: true,
    }),
    figure({
      title: "Share saved",
      says: "Wanted: 70 % and more.",
      queries: [
        [
          'sum(rate(chat_mongo_reads_saved_total[5m])) / (sum(rate(chat_mongo_reads_saved_total[5m])) + sum(rate(chat_mongo_queries_total{command=~"find|aggregate|count"}[5m])))',
          "saved",
        ],
      ],
      unit: "percentunit",
    }),
    graph({
      title: "Commands by collection",
      says: "What is asked most.",
      queries: [[rate(`chat_mongo_queries_total{${here}}`, "collection"), "{{collection}}"]],
      unit: "reqps",
      wide: 6,
    }),
    graph({
      title: "Commands, p95",
      says: "Time until MongoDB answered.",
      queries: [[p95("db_query_duration_seconds", here, "query_type"), "{{query_type}}"]],
      unit: "s",
      wide: 6,
    }),
    graph({
      title: "Change streams behind",
      says: "More than a second behind, copies are checked against MongoDB one by one.",
      queries: [[`max by (stream) (chat_change_stream_lag_seconds{${here}} < +Inf)`, "{{stream}}"]],
      unit: "s",
      bad: 1,
      wide: 12,
    }),
    graph({
      title: "Commands that failed",
      says: "By collection. Always 0.",
      queries: [[rate(`chat_mongo_errors_total{${here}}`, "collection"), "{{collection}}"]],
      unit: "reqps",
      wide: 12,
    }),
  ],
};

const redisServer: Row = {
  title: "Redis server",
  panels: [
    graph({
      title: "Memory",
      says: "Used, and what it may use (0: no limit). Wanted: below 70 %; above 80 % is an alert.",
      queries: [
        ["max(chat_redis_memory_used_bytes)", "used"],
        ["max(chat_redis_memory_limit_bytes)", "may use"],
      ],
      unit: "bytes",
    }),
    graph({
      title: "Keys",
      says: "Needs redis_exporter.",
      queries: [["sum by (instance) (redis_db_keys)", "{{instance}}"]],
    }),
    graph({
      title: "Clients",
      says: "Wanted: below a thousand.",
      queries: [
        ["max(chat_redis_server_clients)", "clients"],
        [`sum(chat_redis_connections{${here}})`, "of the chat"],
      ],
      bad: 1000,
    }),
    graph({
      title: "Commands that wait for a reply",
      says: "More than 100 all the time is the alert RedisPoolExhausted.",
      queries: [[`chat_redis_pool_waiting{${here}}`, "{{instance}}"]],
      bad: 100,
    }),
    graph({
      title: "Calls, p95",
      says: "By their name in the product. Wanted: below 5 ms for reads, 20 ms for writes.",
      queries: [[p95("chat_redis_command_duration_seconds", here, "name"), "{{name}}"]],
      unit: "s",
      bad: 0.02,
    }),
    graph({
      title: "Thrown away",
      says: "Keys evicted for lack of memory, and expired. Needs redis_exporter.",
      queries: [
        ["sum(rate(redis_evicted_keys_total[$__rate_interval]))", "evicted"],
        ["sum(rate(redis_expired_keys_total[$__rate_interval]))", "expired"],
      ],
      unit: "ops",
    }),
  ],
};

const replication: Row = {
  title: "Replication and sentinels",
  panels: [
    graph({
      title: "Replicas",
      says: "Fewer than the sentinels know is the alert ReplicationBroken: a failover would lose copies.",
      queries: [
        [`min(chat_redis_replicas{${here}})`, "follow"],
        [`max(chat_redis_replicas_expected{${here}})`, "known"],
      ],
    }),
    graph({
      title: "Replicas behind",
      says: "What a failover would lose. MongoDB makes it good.",
      queries: [[`max(chat_redis_replica_lag_seconds{${here}})`, "the last of them"]],
      unit: "s",
      bad: 10,
    }),
    states({
      title: "Replica follows its master",
      says: "0 for a minute is the alert ReplicationBroken. Needs redis_exporter.",
      queries: [["redis_master_link_up", "{{instance}}"]],
    }),
    states({
      title: "Sentinels agree",
      says: "0: no new master would be chosen. At all servers it is the alert SentinelQuorumLost.",
      queries: [[`chat_redis_sentinel_quorum{${here}}`, "{{instance}}"]],
      wide: 12,
    }),
    graph({
      title: "Sentinels that answer",
      says: "Each server asks all of them.",
      queries: [[`chat_redis_sentinels{${here}}`, "{{instance}}"]],
      wide: 12,
    }),
  ],
};

const node: Row = {
  title: "Node",
  panels: [
    graph({
      title: "Load",
      says: "Share used of what a server has. More servers at 70 % of the event loop or processors, or 80 % of memory.",
      queries: [[`chat_load_ratio{${here}}`, "{{instance}} {{resource}}"]],
      unit: "percentunit",
      bad: 0.8,
      max: 1,
    }),
    graph({
      title: "Event loop late, p99",
      says: "How late timers come. Above 100 ms everybody notices.",
      queries: [
        [
          `histogram_quantile(0.99, sum by (instance, le) (rate(nodejs_eventloop_lag_seconds_bucket{${here}}[$__rate_interval])))`,
          "{{instance}}",
        ],
      ],
      unit: "s",
      bad: 0.1,
    }),
    graph({
      title: "Memory",
      says: "Of the process, and of its heap.",
      queries: [
        [`process_resident_memory_bytes{${here}}`, "{{instance}}"],
        [`nodejs_heap_size_used_bytes{${here}}`, "{{instance}} heap"],
      ],
      unit: "bytes",
    }),
    graph({
      title: "Sockets",
      says: "Connected to each server. Very uneven: the load balancer sticks too much.",
      queries: [[`websocket_active_connections{${here}}`, "{{server_id}}"]],
    }),
    graph({
      title: "Messages sent to sockets",
      says: "By server, whichever server they came in at.",
      queries: [[`rate(messages_total{${here}}[$__rate_interval])`, "{{server_id}}"]],
      unit: "ops",
    }),
    graph({
      title: "Processor",
      says: "1 is one processor; the event loop cannot use more.",
      queries: [[`rate(process_cpu_seconds_total{${here}}[$__rate_interval])`, "{{instance}}"]],
    }),
    graph({
      title: "Pauses for garbage",
      says: "Share of the time.",
      queries: [[rate(`nodejs_gc_duration_seconds_sum{${here}}`, "instance"), "{{instance}}"]],
      unit: "percentunit",
      wide: 12,
    }),
    figure({
      title: "Release",
      says: "What runs; two during a deployment.",
      queries: [["count by (version, node) (build_info)", "{{version}} on Node {{node}}"]],
      wide: 12,
    }),
  ],
};

/** From what is watched during a step of the dial down to the machine. */
export const rows: readonly Row[] = [rollout, fallback, latency, caches, saved, redisServer, replication, node];
