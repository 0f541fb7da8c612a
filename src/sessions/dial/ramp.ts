import type { Clock } from "../../kernel/clock.ts";
import { messageOf, SluiceError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Ramp, SessionSettings, Settings, SettingsStore } from "../../mongo/settings-types.ts";
import {
  changeSessions,
  checkedStep,
  type DialDesk,
  DialRefused,
  isConflict,
  type Turned,
  type TurnOptions,
} from "./change.ts";
import type { CheckStep } from "./guards.ts";

export interface RampPlan {
  /** Where it begins; where the dial stands when nothing is said. */
  readonly from?: number;
  readonly to: number;
  readonly step: number;
  readonly everyMs: number;
}

// The finest that the dial can be turned by is a thousandth of a percent.
const pointsPerPercent = 1_000;
const leastStep = 1 / pointsPerPercent;

/** The dial one step further, and the ramp with its next step, or without one when it has come to its end. */
export function stepOf({ ramp, ...rest }: SessionSettings & { ramp: Ramp }, now: number): SessionSettings {
  const { to, step, everyMs } = ramp;
  const up = to > rest.percent;
  // Sums of tenths are not tenths.
  const percent = Math.round((up ? rest.percent + step : rest.percent - step) * pointsPerPercent) / pointsPerPercent;
  if (up ? percent >= to : percent <= to) return { ...rest, percent: to };
  return { ...rest, percent, ramp: { ...ramp, next: new Date(now + everyMs) } };
}

function checkPlan({ from = 0, to, step, everyMs }: RampPlan): void {
  const wrong = (text: string) => new SluiceError("SETTINGS_INVALID", text);
  if (!(step >= leastStep && step <= 100)) throw wrong(`step: ${step} is not a number from ${leastStep} to 100.`);
  if (!(everyMs > 0)) throw wrong(`every: ${everyMs} ms is no time.`);
  for (const [name, percent] of Object.entries({ from, to }))
    if (!(percent >= 0 && percent <= 100)) throw wrong(`${name}: ${percent} is not a number from 0 to 100.`);
}

/** Begins a ramp at once with its first position. It is kept in the settings, so that it outlives every instance. */
export async function startRamp(
  { settings, check, clock }: DialDesk & { clock: Clock },
  plan: RampPlan,
  options: TurnOptions,
): Promise<Turned> {
  const { force = false, dryRun = false } = options;
  checkPlan(plan);
  let told: Pick<Turned, "before" | "after" | "checks"> | undefined;
  const done = await changeSessions(settings, options, async (before) => {
    const { ramp: _, ...rest } = before;
    const { from = rest.percent, ...ramp } = plan;
    const next = new Date(clock.now() + ramp.everyMs);
    const begun: SessionSettings = { ...rest, mode: "serve", percent: from };
    const after = from === ramp.to ? begun : { ...begun, ramp: { ...ramp, next } };
    const checks = await checkedStep(check, before, after);
    told = { before, after, checks };
    if (!force && checks.some(({ ok }) => !ok)) throw new DialRefused(checks);
    return dryRun ? undefined : after;
  });
  const { before, after, checks } = told ?? { before: done.sessions, after: done.sessions, checks: [] };
  return { before, after, checks, revision: done.revision, changed: true };
}

/** The dial stays where the ramp has brought it. Answers false when there was none. */
export async function abortRamp(settings: DialDesk["settings"], by: { who: string; why: string }): Promise<boolean> {
  let was = false;
  await changeSessions(settings, by, async ({ ramp, ...rest }) => {
    was = ramp !== undefined;
    return was ? rest : undefined;
  });
  return was;
}

export interface RampRunner {
  close(): Promise<void>;
}

export interface RampOptions {
  settings: Pick<SettingsStore, "current" | "change">;
  check: CheckStep;
  clock: Clock;
  log: Log;
  /** This instance, in the history. */
  who: string;
  /** How often it is looked whether a step is due. */
  lookMs?: number;
  /** A check may stand in the way for so long before the ramp ends. */
  patienceMs?: number;
}

const hasRamp = (sessions: SessionSettings): sessions is SessionSettings & { ramp: Ramp } =>
  sessions.ramp !== undefined;

/**
 * Takes the steps of a ramp when they are due. Every instance does; the settings let but one of them take each step.
 */
export function runRamp(options: RampOptions): RampRunner {
  const { settings, check, clock, log, who, lookMs = 1_000, patienceMs = 5_000 } = options;
  let working: Promise<void> | undefined;
  let blocked: { revision: number; since: number } | undefined;

  async function turn({ revision }: Settings, sessions: SessionSettings, why: string): Promise<void> {
    try {
      await settings.change({ sessions }, { who, why }, revision);
    } catch (error) {
      // Another instance was faster, or an operator.
      if (!isConflict(error)) throw error;
    }
  }

  async function look(): Promise<void> {
    const now = settings.current;
    const { sessions, revision } = now;
    if (!hasRamp(sessions) || sessions.ramp.next.getTime() > clock.now()) return;
    const after = stepOf(sessions, clock.now());
    const wrong = (await checkedStep(check, sessions, after)).filter(({ ok }) => !ok);
    if (settings.current.revision !== revision) return;
    if (wrong.length === 0) {
      const end = after.ramp ? "" : ", its last";
      return turn(now, after, `step of the ramp to ${sessions.ramp.to} %${end}`);
    }
    if (blocked?.revision !== revision) blocked = { revision, since: performance.now() };
    if (performance.now() - blocked.since < patienceMs) return;
    const { ramp: _, ...rest } = sessions;
    const words = wrong.map(({ says }) => says).join("; ");
    log.warn(
      { percent: rest.percent, checks: wrong },
      "The ramp has ended: a check stands in the way of its next step",
    );
    await turn(now, rest, `the ramp has ended at ${rest.percent} %: ${words}`);
  }

  const timer = setInterval(() => {
    working ??= look()
      .catch((error: unknown) =>
        log.warn({ err: messageOf(error) }, "A step of the ramp could not be taken; trying again"),
      )
      .finally(() => {
        working = undefined;
      });
  }, lookMs);
  timer.unref();
  return {
    async close() {
      clearInterval(timer);
      await working;
    },
  };
}
