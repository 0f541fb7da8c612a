import { createBreaker } from "../kernel/breaker.ts";
import { type Clock, systemClock } from "../kernel/clock.ts";
import { createDeadlines } from "../kernel/deadline.ts";
import { createEvents } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import type { Attachment } from "./attachment.ts";
import { createCaller, type Way } from "./call.ts";
import { channelIn } from "./channels.ts";
import type { AllCommands } from "./commands.ts";
import { createComplaints } from "./complaints.ts";
import { discoveryFor } from "./discovery.ts";
import type { Failure } from "./failure.ts";
import { healthOf } from "./health.ts";
import { createRecovery } from "./recovery.ts";
import { evaluate, wrongKeys } from "./scripts.ts";
import { watchSentinels } from "./sentinel-watch.ts";
import { createStatus } from "./status.ts";
import { createSubscriber } from "./subscriber.ts";
import { createSupervisor } from "./supervisor.ts";
import { type RedisConfig, topologyOf, whereIs } from "./topology.ts";
import type { Answer, Attempt, CallOptions, DoorEvents, RedisDoor } from "./types.ts";

export interface DoorOptions {
  config: RedisConfig;
  log: Log;
  clock?: Clock;
}

const NONE = "no Redis is configured";

function firstStatus(kind: string, disabled: boolean): { state: "disabled" | "recovering"; reason: string } {
  if (kind === "none") return { state: "disabled", reason: NONE };
  if (disabled) return { state: "disabled", reason: "DISABLE_REDIS is set" };
  return { state: "recovering", reason: "connecting for the first time" };
}

/** The one way to Redis, whichever topology the configuration names. Throws only for a configuration that cannot be used. */
export function createRedisDoor({ config, log, clock = systemClock }: DoorOptions): RedisDoor {
  const topology = topologyOf(config);
  const events = createEvents<DoorEvents>();
  const first = firstStatus(topology.kind, config.DISABLE_REDIS);
  const status = createStatus(first, { where: whereIs(topology), events, log, clock });
  const { REDIS_DEADLINE: deadlineMs, REDIS_WATCHDOG: patienceMs } = config;
  const { REDIS_CONNECT_TIMEOUT: connectMs, REDIS_BACKOFF_MAX: backoffMaxMs, REDIS_POOL: pool } = config;
  const deadlines = createDeadlines();
  const breaker = createBreaker();
  const recovery = createRecovery();
  const onListenerError = (error: unknown) => log.error({ err: error }, "a listener of the Redis door threw");
  const caller = createCaller({ events, breaker, budgetMs: config.REDIS_REQUEST_BUDGET, onListenerError });
  const complain = createComplaints(log);
  const onAttempt = (attempt: Attempt) => {
    try {
      events.emit("attempt", attempt);
    } catch (error) {
      onListenerError(error);
    }
  };
  const database = topology.kind === "none" ? 0 : topology.access.database;
  const subscriber = createSubscriber({ deadlines, patienceMs, backoffMaxMs, onAttempt, log });
  const discovery = topology.kind === "none" ? undefined : discoveryFor(topology, connectMs);
  const supervisor =
    topology.kind === "none" || !discovery
      ? undefined
      : createSupervisor({
          attachOptions: {
            kind: topology.kind,
            access: topology.access,
            discovery,
            deadlines,
            subscriber,
            deadlineMs,
            patienceMs,
            connectMs,
            pool,
          },
          recovery,
          status,
          breaker,
          backoffMaxMs,
          onAttempt,
          log,
        });
  const watch = topology.kind === "sentinel" ? watchSentinels(topology, connectMs) : undefined;
  let started = false;
  let closed = false;

  function run(): void {
    supervisor?.run();
    watch?.start();
  }

  function failed(attachment: Attachment, name: string, failure: Failure): void {
    if (failure.answer.reason === "failed") complain(name, failure.answer.error);
    supervisor?.note(failure, attachment);
  }

  function mainWay(attachment: Attachment): Way {
    const { line, commands } = attachment.main;
    return {
      line,
      run: (command) => command(commands),
      expired(ms, sentAt) {
        if (ms >= deadlineMs && breaker.expired(sentAt, line.now()))
          attachment.end("too many replies in a row were late");
      },
      failed: (name, failure) => failed(attachment, name, failure),
    };
  }

  let last: { attachment: Attachment; way: Way } | undefined;
  function wayOf(attachment: Attachment): Way {
    if (last?.attachment !== attachment) last = { attachment, way: mainWay(attachment) };
    return last.way;
  }

  function heavyWay(attachment: Attachment): Way {
    const { line, run, recycle } = attachment.heavy.next();
    return { line, run, expired: recycle, failed: (name, failure) => failed(attachment, name, failure) };
  }

  function send<T>(
    name: string,
    command: (redis: AllCommands) => Promise<T>,
    options: CallOptions | undefined,
    script: boolean,
    onAnswer: (answer: Answer<T>) => void,
  ): void {
    const trusted = supervisor?.trusted;
    const attachment = trusted ?? (supervisor?.attached && recovery.within() ? supervisor.attached : undefined);
    if (!attachment || (trusted && !breaker.admits(attachment.main.line.size))) {
      onAnswer(caller.refuse(name, status.state === "disabled" ? "disabled" : "down"));
      return;
    }
    const way = options?.lane === "heavy" ? heavyWay(attachment) : wayOf(attachment);
    caller.send(name, way, command, options?.deadlineMs ?? deadlineMs, script, onAnswer);
  }

  return {
    get state() {
      return status.state;
    },
    events,
    answered: caller.answered,
    start() {
      if (closed) return;
      started = true;
      if (status.state !== "disabled") run();
    },
    ask: (name, command, options, onAnswer) => send(name, command, options, false, onAnswer),
    call: <T>(name: string, command: (redis: AllCommands) => Promise<T>, options?: CallOptions) =>
      new Promise<Answer<T>>((resolve) => send<T>(name, command, options, false, resolve)),
    script<T>(
      script: Parameters<RedisDoor["script"]>[0],
      keys: string[],
      args: (string | Buffer)[],
      options?: CallOptions,
    ) {
      const wrong = wrongKeys(script, keys);
      if (wrong === undefined)
        return new Promise<Answer<T>>((resolve) =>
          send<T>(script.name, (redis) => evaluate(redis, script, keys, args) as Promise<T>, options, true, resolve),
        );
      const error = new Error(wrong);
      complain(script.name, error);
      return Promise.resolve(caller.refuse(script.name, "failed", error));
    },
    channel: (name) => channelIn(database, name),
    subscribe: (channel, listener) => subscriber.listen({ channel }, (message) => listener(message.toString())),
    listen: (target, listener) => subscriber.listen(target, listener),
    onRecovery: (stage) => recovery.add(stage),
    async disable(disabled, reason) {
      if (closed || !supervisor) return;
      if (disabled) {
        watch?.close();
        const ending = supervisor.stop();
        status.set("disabled", reason);
        await ending;
      } else if (status.state === "disabled") {
        status.set("recovering", reason);
        if (started) run();
      }
    },
    health: async () =>
      healthOf(status, {
        topology: topology.kind,
        attachment: supervisor?.attached,
        pool,
        sentinels: watch?.seen,
        deaf: subscriber.deaf,
      }),
    async close() {
      closed = true;
      watch?.close();
      await supervisor?.stop();
      discovery?.close();
      deadlines.close();
    },
  };
}
