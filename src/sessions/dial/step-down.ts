import { messageOf } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { SettingsStore } from "../../mongo/settings-types.ts";
import type { SessionEventSource } from "../types.ts";
import { isConflict, shareOf } from "./change.ts";
import { createSightings, createWindow } from "./window.ts";

export type StepDownCause = "errors" | "latency" | "missing";

export interface StepDownLimits {
  /** Everything is counted over so long. */
  readonly windowMs: number;
  /** Percent of the bucket's reads to which Redis may give no answer in time, or one that cannot be read. */
  readonly errors: number;
  /** 5 % of the answers of Redis may take longer. */
  readonly latencyMs: number;
  /** So many cookies with a valid signature may find no session, in percent of all reads. */
  readonly missing: number;
}

export interface StepDownOptions {
  settings: Pick<SettingsStore, "current" | "change" | "events">;
  events: SessionEventSource;
  limits: StepDownLimits;
  /** This instance, in the history. */
  who: string;
  log: Log;
  onStep?: (cause: StepDownCause, from: number, to: number) => void;
}

export interface StepDown {
  close(): Promise<void>;
}

const steps = [0, 1, 5, 10, 25, 50, 100];
// A share of fewer than so many says nothing.
const fewest = 20;
const slowShare = 5;
const failures: readonly unknown[] = ["deadline", "unreadable"];

/** The next lower position. */
export const lower = (percent: number): number => steps.filter((step) => step < percent).at(-1) ?? 0;

const percentOf = (part: number, whole: number) => (whole === 0 ? 0 : (part * 100) / whole);

/**
 * Turns the dial down by one position when Redis does worse than the limits allow, or when sessions are missing, which
 * would be logouts. Never up, and never for a Redis that is simply out: that costs nothing, MongoDB answers.
 */
export function createStepDown({ settings, events, limits, who, log, onStep }: StepDownOptions): StepDown {
  const { windowMs } = limits;
  const window = createWindow<"bucket" | "failed" | "answered" | "slow" | "reads">(windowMs);
  // By session: whoever shows one old cookie again and again must not turn the dial.
  const lost = createSightings(windowMs);
  let working: Promise<void> | undefined;

  /** What was counted at one position says nothing of another. */
  function clear(): void {
    window.clear();
    lost.clear();
  }

  const leave = [
    events.on("operation", ({ op, store, result, seconds }) => {
      if (op !== "get") return;
      window.add("reads");
      if (store === "redis" || result === "miss") window.add("bucket");
      if (store !== "redis") return;
      window.add("answered");
      if (seconds * 1_000 > limits.latencyMs) window.add("slow");
    }),
    events.on("fallback", ({ reason }) => {
      if (!failures.includes(reason)) return;
      window.add("bucket");
      window.add("failed");
    }),
    events.on("missing", ({ id }) => lost.see(id)),
    settings.events.on("change", clear),
  ];

  function trouble(): { cause: StepDownCause; words: string } | undefined {
    const over = `in ${windowMs / 1_000} s`;
    const [failed, bucket] = [window.sum("failed"), window.sum("bucket")];
    if (failed >= fewest && percentOf(failed, bucket) > limits.errors)
      return { cause: "errors", words: `${failed} of ${bucket} reads from Redis failed ${over}` };
    const [slow, answered] = [window.sum("slow"), window.sum("answered")];
    if (slow >= fewest && percentOf(slow, answered) > slowShare)
      return { cause: "latency", words: `${slow} of ${answered} answers took over ${limits.latencyMs} ms ${over}` };
    const [missing, reads] = [lost.size, window.sum("reads")];
    if (missing >= fewest && percentOf(missing, reads) > limits.missing)
      return { cause: "missing", words: `${missing} valid cookies found no session in ${reads} reads ${over}` };
    return undefined;
  }

  async function look(): Promise<void> {
    const { sessions, revision } = settings.current;
    const found = shareOf(sessions) > 0 ? trouble() : undefined;
    if (!found) return;
    const { ramp, ...rest } = sessions;
    const percent = lower(rest.percent);
    const why = `stepped down by itself: ${found.words}`;
    clear();
    try {
      await settings.change({ sessions: { ...rest, percent } }, { who, why }, revision);
    } catch (error) {
      // Another instance has done so, or an operator has turned the dial.
      if (isConflict(error)) return;
      throw error;
    }
    const ended = ramp ? "; the ramp has ended" : "";
    log.warn({ cause: found.cause, from: rest.percent, to: percent }, `The dial has ${why}${ended}`);
    onStep?.(found.cause, rest.percent, percent);
  }

  const timer = setInterval(
    () => {
      working ??= look()
        .catch((error: unknown) => log.error({ err: messageOf(error) }, "The dial could not step down; trying again"))
        .finally(() => {
          working = undefined;
        });
    },
    Math.max(10, windowMs / 20),
  );
  timer.unref();
  return {
    async close() {
      clearInterval(timer);
      for (const end of leave) end();
      await working;
    },
  };
}
