import type { Clock } from "../kernel/clock.ts";
import type { Sampler } from "../kernel/sampler.ts";
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
  close(): void;
}

const statusOf: Record<RedisState, Status> = {
  up: "pass",
  degraded: "warn",
  recovering: "warn",
  down: "warn",
  disabled: "warn",
};

// Words alone: where a dot or a colon joins two of them, it may be an address, and the page is for everybody.
const plain = /^(?:[\w ,;()%'"-]|[.:](?=\s|$))+$/;
const because = (reason: string) => (plain.test(reason) ? ` (${reason})` : "");

const ms = (seconds: number) => Math.round(seconds * 1e5) / 100;

function redisFigures({ state, role, connections, memory, responseTime, waiting }: RedisHealth) {
  const status = statusOf[state];
  const known = (id: string, value: number | undefined, unit?: string): Figure[] =>
    value === undefined ? [] : [{ id, value, ...(unit && { unit }), status }];
  return {
    "redis:state": [{ value: state, status }],
    "redis:responseTime": [responseTime === undefined ? { status } : { value: ms(responseTime), unit: "ms", status }],
    "redis:connections": [
      ...known("open", connections.open),
      ...known("limit", connections.limit),
      ...known("server_clients", connections.serverClients),
      ...known("server_limit", connections.serverLimit),
      ...known("waiting_commands", waiting),
    ],
    // Not its version: the page is for everybody, and known holes go by versions.
    "redis:role": [{ ...(role && { value: role }), status }],
    "redis:memory": [...known("used", memory?.used, "bytes"), ...known("limit", memory?.max, "bytes")],
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

  function withRedis(health: RedisHealth): Record<string, Entry[]> {
    const now = clock.now();
    const own = Object.entries(redisFigures(health)).filter(([, figures]) => figures.length > 0);
    return {
      ...Object.fromEntries(own.map(([name, figures]) => [name, figures.map((figure) => toEntry(figure, now))])),
      "mongo:responseTime": [toEntry(mongoFigure(mongo), mongo.latest?.at ?? now)],
      ...checks.read(),
    };
  }

  function outputOf({ state, reason, topology }: RedisHealth, covered: boolean): string | undefined {
    if (state === "up") return undefined;
    const then = covered ? "MongoDB serves" : "and MongoDB does not answer";
    if (topology === "none") return `No Redis is configured; ${then}`;
    if (state !== "disabled") return `Redis is ${state}${because(reason)}; ${then}`;
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
      return answer(statusOf[health.state], false, outputOf(health, true), withRedis(health));
    },
    async redis(strict) {
      const health = await redis.health();
      const covered = mongoAnswers();
      const status = statusOf[health.state] === "warn" && !covered ? "fail" : statusOf[health.state];
      return answer(status, strict, outputOf(health, covered), withRedis(health));
    },
    close: () => checks.close(),
  };
}
