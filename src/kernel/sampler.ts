import type { Clock } from "./clock.ts";
import { messageOf } from "./errors.ts";

/** How the last probe ended. `unanswered`: its deadline passed; `failed`: it ended with an error. */
export type Sample<T> = { readonly at: number; readonly seconds: number } & (
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: "unanswered" | "failed"; readonly error?: Error }
);

/** Asks something at a steady pace, so that any number of readers cost nothing and never wait. */
export interface Sampler<T> {
  /** Undefined until the first probe has ended or missed its deadline. */
  readonly latest: Sample<T> | undefined;
  close(): void;
}

export interface SamplerOptions<T> {
  /** Must end by itself some time; until it has, nothing else is asked. */
  probe: () => T | Promise<T>;
  clock: Clock;
  everyMs?: number;
  /** A probe without an answer by then counts as not answered; a later answer counts again. */
  deadlineMs?: number;
}

// A probe that never ends must not blind the sampler for ever.
const forgottenMs = 15_000;

export function createSampler<T>(options: SamplerOptions<T>): Sampler<T> {
  const { probe, clock, everyMs = 1_000, deadlineMs = 500 } = options;
  let latest: Sample<T> | undefined;
  let flight: { since: number; late?: NodeJS.Timeout } | undefined;
  let closed = false;

  function ask(): void {
    if (flight && performance.now() - flight.since < forgottenMs) return;
    const mine: NonNullable<typeof flight> = { since: performance.now() };
    flight = mine;
    const seconds = () => (performance.now() - mine.since) / 1_000;
    const record = (end: { ok: true; value: T } | { ok: false; reason: "unanswered" | "failed"; error?: Error }) => {
      if (!closed && flight === mine) latest = { at: clock.now(), seconds: seconds(), ...end };
    };
    // After a pause of the process the answer may be waiting behind this timer: let it in first.
    mine.late = setTimeout(() => setImmediate(() => record({ ok: false, reason: "unanswered" })), deadlineMs);
    mine.late.unref();
    const ended = () => {
      clearTimeout(mine.late);
      if (flight === mine) flight = undefined;
    };
    Promise.resolve()
      .then(probe)
      .then((value) => record({ ok: true, value }))
      .catch((error: unknown) =>
        record({ ok: false, reason: "failed", error: error instanceof Error ? error : new Error(messageOf(error)) }),
      )
      .finally(ended);
  }

  const timer = setInterval(ask, everyMs);
  timer.unref();
  ask();
  return {
    get latest() {
      return latest;
    },
    close() {
      closed = true;
      clearInterval(timer);
      clearTimeout(flight?.late);
    },
  };
}
