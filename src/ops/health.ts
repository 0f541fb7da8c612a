import type { Clock } from "../kernel/clock.ts";
import { createSampler, type Sampler } from "../kernel/sampler.ts";
import type { RedisDoor, RedisHealth, RedisState } from "../redis/types.ts";
import { type Checks, createChecks, type Entry, type Figure, type Status, toEntry } from "./checks.ts";

export type Phase = "starting" | "serving" | "draining";

export interface HealthSources {
  /** Which instance of which release this is. */
  about: { serviceId: string; releaseId: string };
  phase(): Phase;
  redis: Pick<RedisDoor, "health">;
  /** Who switched Redis off, if somebody did. */
  disabledBy(): "environment" | "settings" | null;
  mongo: Sampler<number>;
  clock: Clock;
}

export interface HealthBody {
  status: Status;
  serviceId: string;
  releaseId: string;
  output?: string;
  checks?: Record<string, Entry[]>;
}

export interface HealthAnswer {
  code: 200 | 503;
  body: HealthBody;
}

export interface Health {
  /** Other rooms register here what they know of themselves. */
  readonly checks: Checks;
  live(): HealthAnswer;
  ready(): Promise<HealthAnswer>;
  /** `strict`: a Redis that is out is a failure, though MongoDB covers it. */
  redis(strict: boolean): Promise<HealthAnswer>;
  /** What is not as it should be, in words, from the last look. */
  amiss(): string[];
  close(): void;
}

const statusOf: Record<RedisState, Status> = {
  up: "pass",
  degraded: "warn",
  recovering: "warn",
  down: "warn",
  disabled: "warn",
};

/** Messages are lost although Redis is in use. */
export const unheard = (why: string) => `Redis messages do not arrive: ${why}`;

const statusFor = ({ state, deaf }: RedisHealth): Status => (deaf === undefined ? statusOf[state] : "warn");

const ms = (seconds: number) => Math.round(seconds * 1e5) / 100;

// From here on somebody should look; the alerts say the same of a longer while.
const nearlyAll = 0.8;
const manyClients = 1_000;
const manyWaiting = 100;
const slowMs = 20;
const manySeconds = 10;

// While Redis is away, what these say is only that.
const followsFromRedis = /^(redis(?!:outages)|cache|bus):|^sessions:(fallback|epoch|agreement)/;

// The same for MongoDB.
const followsFromMongo = /^(mongo|changeStream|sessions|cache):/;

// These need no name of a check before them.
const sentence = /^(Redis|MongoDB|\d+ of \d+) | for Redis$/;

const warned = (amiss: boolean, output: string): Partial<Figure> => (amiss ? { status: "warn", output } : {});

function memoryFigures(memory: RedisHealth["memory"]): Figure[] {
  if (!memory) return [];
  const { used, max } = memory;
  const share = max > 0 ? used / max : 0;
  const amiss = warned(share > nearlyAll, `Redis uses ${Math.round(share * 100)} % of the memory it may use`);
  return [
    { id: "used", value: used, unit: "bytes", ...amiss },
    { id: "limit", value: max, unit: "bytes" },
  ];
}

function clientsAmiss({ serverClients: all = 0, serverLimit = 0 }: RedisHealth["connections"]): Partial<Figure> {
  const near = serverLimit > 0 && all > serverLimit * nearlyAll;
  return warned(near || all > manyClients, `Redis has ${all} clients, and takes ${serverLimit}`);
}

/** Those that are known to the sentinels and do not follow would be a loss at a failover. */
function replicasAmiss(
  { following, lagSeconds }: NonNullable<RedisHealth["replicas"]>,
  known: number,
): Partial<Figure> {
  if (following < known) return warned(true, `Redis has ${following} of ${known} replicas`);
  return warned(lagSeconds > manySeconds, `Redis has a replica that is ${lagSeconds} s behind`);
}

function replicationFigures({ replicas, sentinels }: RedisHealth): Record<string, Figure[]> {
  const known = sentinels?.replicas ?? 0;
  const { answering = 0, named = 0, quorum = true } = sentinels ?? {};
  const words = `Redis has ${answering} of ${named} sentinels, which would not agree on a new master`;
  return {
    "redis:replicas":
      replicas && (known > 0 || replicas.following > 0)
        ? [{ id: "following", value: replicas.following, ...replicasAmiss(replicas, known) }]
        : [],
    "sentinels:answering": sentinels ? [{ value: answering, ...warned(!quorum, words) }] : [],
  };
}

/** `pace`: what an answer has taken lately, in ms; a single one that is late tells nothing. */
function redisFigures(health: RedisHealth, pace: number) {
  const { state, role, connections, memory, responseTime, waiting } = health;
  const status = statusOf[state];
  const known = (id: string, value: number | undefined, unit?: string): Figure[] =>
    value === undefined ? [] : [{ id, value, ...(unit && { unit }), status }];
  return {
    "redis:state": [{ value: state, status }],
    "redis:responseTime": [
      responseTime === undefined
        ? { status }
        : {
            ...{ value: ms(responseTime), unit: "ms", status },
            ...warned(pace > slowMs, `Redis takes ${Math.round(pace)} ms to answer`),
          },
    ],
    "redis:connections": [
      ...known("open", connections.open),
      ...known("limit", connections.limit),
      ...known("server_clients", connections.serverClients).map((one) => ({ ...one, ...clientsAmiss(connections) })),
      ...known("server_limit", connections.serverLimit),
      ...known("waiting_commands", waiting).map((one) => ({
        ...one,
        ...warned(waiting > manyWaiting, `${waiting} commands wait for Redis`),
      })),
    ],
    // Not its version: the page is for everybody, and known holes go by versions.
    "redis:role": [{ ...(role && { value: role }), status }],
    "redis:memory": memoryFigures(memory),
    ...replicationFigures(health),
  } satisfies Record<string, Figure[]>;
}

function mongoFigure(mongo: Sampler<number>): Figure {
  const { latest } = mongo;
  if (!latest) return { status: "fail", output: "not asked yet" };
  if (latest.ok) return { value: ms(latest.value), unit: "ms" };
  return { status: "fail", output: latest.reason === "unanswered" ? "no answer in time" : "unreachable" };
}

/** What the instance says of itself: from the last look, at once, however Redis and MongoDB are. */
export function createHealth({ about, phase, redis, disabledBy, mongo, clock }: HealthSources): Health {
  const checks = createChecks(clock);
  const mongoAnswers = () => mongo.latest?.ok === true;
  let pace = 0;
  const seen = createSampler({
    clock,
    everyMs: 500,
    async probe() {
      const health = await redis.health();
      pace = (pace + ms(health.responseTime ?? 0)) / 2;
      return health;
    },
  });

  function withRedis(health: RedisHealth): Record<string, Entry[]> {
    const now = clock.now();
    const own = Object.entries(redisFigures(health, pace)).filter(([, figures]) => figures.length > 0);
    return {
      ...Object.fromEntries(own.map(([name, figures]) => [name, figures.map((figure) => toEntry(figure, now))])),
      "mongo:responseTime": [toEntry(mongoFigure(mongo), mongo.latest?.at ?? now)],
      ...checks.read(),
    };
  }

  function outputOf({ state, reason, topology, deaf }: RedisHealth, covered: boolean): string | undefined {
    if (state === "up") return deaf === undefined ? undefined : unheard(deaf);
    const then = covered ? "MongoDB serves" : "and MongoDB does not answer";
    if (topology === "none") return `No Redis is configured; ${then}`;
    if (state !== "disabled") return `Redis is ${state} (${reason}); ${then}`;
    const by = disabledBy() === "environment" ? "by DISABLE_REDIS, until a restart without it" : "by the kill switch";
    return `Redis is switched off ${by}; ${then}`;
  }

  function answer(status: Status, strict: boolean, output?: string, seen?: Record<string, Entry[]>): HealthAnswer {
    const code = status === "fail" || (strict && status === "warn") ? 503 : 200;
    return { code, body: { status, ...about, ...(output && { output }), ...(seen && { checks: seen }) } };
  }

  function unready(): string | undefined {
    if (phase() !== "serving") return `The instance is ${phase()}`;
    if (!mongoAnswers()) return "MongoDB does not answer";
    const failing = checks.failing();
    return failing.length > 0 ? `Not well: ${failing.join(", ")}` : undefined;
  }

  return {
    checks,
    live: () => answer("pass", false),
    async ready() {
      const health = await redis.health();
      const why = unready();
      if (why) return answer("fail", false, why, withRedis(health));
      return answer(statusFor(health), false, outputOf(health, true), withRedis(health));
    },
    async redis(strict) {
      const health = await redis.health();
      const covered = mongoAnswers();
      const status = statusFor(health) === "warn" && !covered ? "fail" : statusFor(health);
      return answer(status, strict, outputOf(health, covered), withRedis(health));
    },
    amiss() {
      const health = seen.latest?.ok ? seen.latest.value : undefined;
      const away = health !== undefined && health.state !== "up";
      // Whoever turned the kill switch, or gave it no Redis, knows.
      const meant = away && (health.topology === "none" || disabledBy() === "settings");
      const redisWords = health !== undefined && !meant ? outputOf(health, mongoAnswers()) : undefined;
      const silent = mongo.latest?.ok === false;
      const mongoWords = silent && (!away || meant) ? "MongoDB does not answer" : undefined;
      const each = Object.entries(health ? withRedis(health) : checks.read())
        .filter(([name]) => !(away && followsFromRedis.test(name)) && !(silent && followsFromMongo.test(name)))
        .flatMap(([name, entries]) =>
          entries.map(({ componentId: id, output }) =>
            output === undefined || sentence.test(output) ? output : `${id ? `${name} ${id}` : name}: ${output}`,
          ),
        );
      return [...new Set([redisWords, mongoWords, ...each].filter((one) => one !== undefined))];
    },
    close() {
      seen.close();
      checks.close();
    },
  };
}
