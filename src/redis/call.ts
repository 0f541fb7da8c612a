import type { Breaker } from "../kernel/breaker.ts";
import { currentBudget } from "../kernel/budget.ts";
import type { Line } from "../kernel/deadline.ts";
import type { Events } from "../kernel/events.ts";
import type { AllCommands } from "./commands.ts";
import { type Failure, judge } from "./failure.ts";
import type { Answer, DoorEvents, Unavailable, UnavailableReason } from "./types.ts";

/** Where a call goes, and who is told what came of it. */
export interface Way {
  readonly line: Line;
  run<T>(command: (redis: AllCommands) => Promise<T>): Promise<T>;
  /** The deadline of `ms` has passed without a reply, for what was sent at `sentAt` by the line's time. */
  expired(ms: number, sentAt: number): void;
  failed(name: string, failure: Failure): void;
}

export interface Caller {
  /** The error boundary: whatever the command does, an answer comes once, and in time. `script`: may write, then fail. */
  send<T>(
    name: string,
    way: Way,
    command: (redis: AllCommands) => Promise<T>,
    ms: number,
    script: boolean,
    onAnswer: (answer: Answer<T>) => void,
  ): void;
  /** How many calls gave an answer, by their name. */
  answered(): ReadonlyMap<string, number>;
  /** Nothing was sent. */
  refuse(name: string, reason: UnavailableReason, error?: Error): Unavailable;
}

interface CallerOptions {
  events: Events<DoorEvents>;
  breaker: Breaker;
  /** For all waits of one request. */
  budgetMs: number;
  /** A listener that throws must not become the caller's problem. */
  onListenerError: (error: unknown) => void;
}

/** Reading the clock twice costs more than all else here, so one call in so many is timed: a prime, as calls come in patterns. */
const TIMED_ONE_IN = 7;

export function createCaller({ events, breaker, budgetMs, onListenerError }: CallerOptions): Caller {
  let turn = 0;
  const answers = new Map<string, number>();

  /** The milliseconds of now when it is this call's turn to be timed, 0 otherwise. */
  function clockIfTimed(): number {
    const timed = turn === 0;
    turn = turn === TIMED_ONE_IN - 1 ? 0 : turn + 1;
    return timed ? performance.now() : 0;
  }

  function emit<K extends keyof DoorEvents & string>(name: K, event: DoorEvents[K]): void {
    try {
      events.emit(name, event);
    } catch (error) {
      onListenerError(error);
    }
  }

  function unavailable(name: string, answer: Unavailable): Unavailable {
    const { reason, unknownOutcome, error } = answer;
    emit("unavailable", { name, reason, unknownOutcome, ...(error && { error }) });
    return answer;
  }

  const refuse = (name: string, reason: UnavailableReason, error?: Error): Unavailable =>
    unavailable(name, { ok: false, reason, unknownOutcome: false, ...(error && { error }) });

  return {
    refuse,
    answered: () => answers,
    send(name, way, command, ms, script, onAnswer) {
      const { line } = way;
      const budget = currentBudget();
      const left = budget ? budget.left(budgetMs, line.now()) : ms;
      if (left <= 0) {
        onAnswer(refuse(name, "budget"));
        return;
      }
      budget?.begin(line.now());
      const begun = clockIfTimed();

      const wait = line.add(Math.min(left, ms), () => {
        budget?.end(line.now());
        // A line that has ended was cut off by an outage, not by the clock.
        const reason = wait.left ? "down" : left < ms ? "budget" : "deadline";
        onAnswer(unavailable(name, { ok: false, reason, unknownOutcome: true }));
        if (reason === "deadline") way.expired(ms, wait.since);
      });
      const onError = (error: unknown): void => {
        const failure = judge(error, script);
        if (line.done(wait)) {
          budget?.end(line.now());
          onAnswer(unavailable(name, failure.answer));
        }
        way.failed(name, failure);
      };
      try {
        const sent = way.run(command);
        const reply = typeof sent?.then === "function" ? sent : Promise.resolve(sent);
        reply.then((value) => {
          if (!line.done(wait)) return;
          breaker.answered();
          budget?.end(line.now());
          answers.set(name, (answers.get(name) ?? 0) + 1);
          if (begun > 0) emit("timed", { name, seconds: (performance.now() - begun) / 1000 });
          onAnswer({ ok: true, value });
        }, onError);
      } catch (error) {
        onError(error);
      }
    },
  };
}
