import type { Registry } from "prom-client";
import type { RedisDoor, RedisHealth, RedisState, UnavailableReason } from "../../redis/types.ts";
import type { Theme } from "../metrics.ts";
import { counter, gauge, oneOf, sums } from "./series.ts";
import { tally } from "./tally.ts";

export interface RedisSource {
  door: Pick<RedisDoor, "state" | "events" | "answered" | "health">;
  /** Whether somebody switched Redis off; a chat without any Redis is not switched off. */
  switchedOff(): boolean;
}

const states: RedisState[] = ["up", "degraded", "down", "recovering", "disabled"];
const errors: UnavailableReason[] = ["down", "deadline", "budget", "refused", "failed"];
/** The calls of a server, whose series are there before the first of them is made. */
const callNames = [
  ...["session.get", "session.lease", "session.fill", "session.put", "session.touch", "session.drop"],
  ...["limit.count", "limit.look", "limit.forget", "adapter.publish", "adapter.numsub"],
];
const breakers = ["closed", "half_open", "open"] as const;
const breakerOf: Record<RedisState, (typeof breakers)[number] | undefined> = {
  up: "closed",
  degraded: "closed",
  recovering: "half_open",
  down: "open",
  disabled: undefined,
};

const figures: Record<string, [help: string, of: (health: RedisHealth) => number | undefined]> = {
  chat_redis_pool_waiting: ["Commands of this instance that have no reply yet.", (h) => h.waiting],
  chat_redis_connections: ["Open connections of this instance to Redis.", (h) => h.connections.open],
  chat_redis_connections_limit: ["Connections this instance may open to Redis.", (h) => h.connections.limit],
  chat_redis_server_clients: ["Clients of the Redis server.", (h) => h.connections.serverClients],
  chat_redis_server_clients_limit: ["Clients the Redis server takes.", (h) => h.connections.serverLimit],
  chat_redis_memory_used_bytes: ["Memory the Redis server uses.", (h) => h.memory?.used],
  chat_redis_memory_limit_bytes: ["Memory the Redis server may use; 0 without a limit.", (h) => h.memory?.max],
  chat_redis_replicas: ["Replicas that follow their master, as the master tells.", (h) => h.replicas?.following],
  chat_redis_replicas_expected: [
    "Replicas that the sentinels know; 0 where there are no sentinels.",
    (h) => h.replicas && (h.sentinels?.replicas ?? 0),
  ],
  chat_redis_replica_lag_seconds: ["How far the last replica is behind its master.", (h) => h.replicas?.lagSeconds],
  chat_redis_sentinels: ["Sentinels that answer, of those configured.", (h) => h.sentinels?.answering ?? 0],
  chat_redis_sentinel_quorum: [
    "0 while the sentinels would not agree on a new master; 1 while they would, and where there are none.",
    (h) => Number(h.sentinels?.quorum ?? true),
  ],
  chat_redis_response_time_seconds: ["Time of the last PING that was answered.", (h) => h.responseTime],
};

function ways(registry: Registry, { door, switchedOff }: RedisSource): void {
  gauge({
    registry,
    name: "chat_redis_up",
    help: "1 while Redis answers and its answers are used.",
    read: (made) => made.set(door.state === "up" || door.state === "degraded" ? 1 : 0),
  });
  gauge({
    registry,
    name: "chat_redis_disabled",
    help: "1 while Redis is switched off, by DISABLE_REDIS or by the kill switch.",
    read: (made) => made.set(switchedOff() ? 1 : 0),
  });
  oneOf({
    registry,
    name: "chat_redis_state",
    help: "1 for the state that Redis is in, as this instance sees it.",
    states,
    now: () => door.state,
  });
  oneOf({
    registry,
    name: "chat_redis_breaker_state",
    help: "1 for the state of the breaker in front of Redis; none while Redis is not used at all.",
    states: breakers,
    now: () => breakerOf[door.state],
  });
}

function server(registry: Registry, { door }: RedisSource): void {
  for (const [name, [help, of]] of Object.entries(figures))
    gauge({
      registry,
      name,
      help,
      async read(made) {
        const value = of(await door.health());
        if (value === undefined) made.remove();
        else made.set(value);
      },
    });
}

function traffic(registry: Registry, { door }: RedisSource): () => void {
  const none = { disabled: 0, down: 0, deadline: 0, budget: 0, refused: 0, failed: 0 };
  const failed = new Map(callNames.map((name) => [name, { ...none }]));
  const count = (name: string, result: keyof typeof none) => {
    const results = failed.get(name) ?? { ...none };
    results[result] += 1;
    failed.set(name, results);
  };
  const counted = function* () {
    const answered = door.answered();
    for (const name of new Set([...failed.keys(), ...answered.keys()])) {
      const results = { ok: answered.get(name) ?? 0, ...(failed.get(name) ?? none) };
      for (const [result, sum] of Object.entries(results)) yield [{ name, result }, sum] as const;
    }
  };
  sums({
    registry,
    name: "chat_redis_commands_total",
    help: "Calls to Redis by their name in the product, and what came of them.",
    labels: { name: [], result: [] },
    read: counted,
  });
  const durations = tally({
    registry,
    name: "chat_redis_command_duration_seconds",
    help: "Time until Redis answered a call, of one call in seven.",
    label: "name",
    known: callNames,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25],
  });
  const unanswered = counter({
    registry,
    name: "chat_redis_errors_total",
    help: "Calls to Redis without an answer that may be used, by kind.",
    labels: { kind: errors },
  });
  const unknown = counter({
    registry,
    name: "chat_redis_unknown_outcomes_total",
    help: "Calls that were given up and may have been carried out all the same.",
  });
  const changes = counter({
    registry,
    name: "chat_redis_state_changes_total",
    help: "How often Redis came into a state, as this instance sees it.",
    labels: { to: states },
  });
  const attempts = counter({
    registry,
    name: "chat_redis_connect_attempts_total",
    help: "Attempts to connect to Redis that have ended, well or not.",
  });
  const failures = counter({
    registry,
    name: "chat_redis_connect_failures_total",
    help: "Attempts to connect to Redis that failed.",
  });
  const ends = [
    door.events.on("timed", ({ name, seconds }) => durations.observe(name, seconds)),
    door.events.on("unavailable", ({ name, reason, unknownOutcome }) => {
      count(name, reason);
      if (reason !== "disabled") unanswered.inc({ kind: reason });
      if (unknownOutcome) unknown.inc();
    }),
    door.events.on("state", ({ to }) => changes.inc({ to })),
    door.events.on("attempt", ({ ok }) => {
      attempts.inc();
      if (!ok) failures.inc();
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** What goes through the door to Redis, and how the server behind it is. */
export function redisMetrics(source: RedisSource): Theme {
  return (registry) => {
    ways(registry, source);
    server(registry, source);
    return traffic(registry, source);
  };
}
