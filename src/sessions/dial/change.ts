import { SluiceError, UnavailableError } from "../../kernel/errors.ts";
import type { ChangeBy, SessionMode, SessionSettings, Settings, SettingsStore } from "../../mongo/settings-types.ts";
import type { Check, CheckStep } from "./guards.ts";

/** What the dial is to be turned to; the rest stays. */
export interface Turn {
  readonly mode?: SessionMode;
  readonly percent?: number;
  readonly oldServers?: boolean;
}

export interface TurnOptions extends ChangeBy {
  /** Although a check stands in the way. */
  force?: boolean;
  /** Only look what would happen. */
  dryRun?: boolean;
}

export interface Turned {
  readonly before: SessionSettings;
  readonly after: SessionSettings;
  readonly revision: number;
  /** Empty when nothing had to be looked at: Redis answers for no more sessions than before. */
  readonly checks: readonly Check[];
  readonly changed: boolean;
}

export type DialStore = Pick<SettingsStore, "current" | "stored" | "change">;

export interface DialDesk {
  settings: DialStore;
  check: CheckStep;
}

/** A check stands in the way of the step. */
export class DialRefused extends SluiceError {
  readonly checks: readonly Check[];
  constructor(checks: readonly Check[]) {
    const words = checks.filter(({ ok }) => !ok).map(({ says }) => says);
    super("DIAL_REFUSED", `The dial stays where it is. ${words.join(". ")}.`);
    this.checks = checks;
  }
}

const tries = 5;

/** The share of the sessions that Redis answers for. */
export const shareOf = ({ mode, percent }: { mode: SessionMode; percent: number }) => (mode === "serve" ? percent : 0);

const withoutRamp = ({ ramp: _, ...rest }: SessionSettings): SessionSettings => rest;

export async function checkedStep(check: CheckStep, before: SessionSettings, after: SessionSettings) {
  const step = { from: shareOf(before), to: shareOf(after) };
  return step.to > step.from ? check(step) : [];
}

/** Somebody else has changed the settings meanwhile. */
export const isConflict = (error: unknown): boolean => (error as Partial<SluiceError>).code === "SETTINGS_CONFLICT";

/** Carries a change out, however many others change the settings at the same time. */
export async function changeSessions(
  settings: DialStore,
  by: ChangeBy,
  decide: (now: SessionSettings) => Promise<SessionSettings | undefined>,
): Promise<Settings> {
  for (let left = tries; left > 0; left -= 1) {
    const { revision, sessions } = settings.current;
    const next = await decide(sessions);
    if (next === undefined) return settings.current;
    try {
      return await settings.change({ sessions: next }, { who: by.who, why: by.why }, revision);
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  throw new UnavailableError(`The settings were changed by others ${tries} times in a row; turn the dial again.`);
}

const isSame = (one: SessionSettings, other: SessionSettings) => JSON.stringify(one) === JSON.stringify(other);

/** Turns the dial, which ends a ramp; a step up only when nothing stands in its way, or by force. */
export async function turnDial({ settings, check }: DialDesk, turn: Turn, options: TurnOptions): Promise<Turned> {
  const { force = false, dryRun = false } = options;
  let told: Pick<Turned, "before" | "after" | "checks" | "changed"> | undefined;
  const done = await changeSessions(settings, options, async (before) => {
    const after = withoutRamp({ ...before, ...turn });
    const checks = await checkedStep(check, before, after);
    const changed = !settings.stored || !isSame(before, after);
    told = { before, after, checks, changed };
    if (!force && checks.some(({ ok }) => !ok)) throw new DialRefused(checks);
    return dryRun || !changed ? undefined : after;
  });
  if (!told) throw new UnavailableError("The dial was not turned.");
  return { ...told, revision: done.revision };
}
