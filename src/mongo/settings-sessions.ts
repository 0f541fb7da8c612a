import type { Ramp, SessionMode, SessionSettings } from "./settings-types.ts";

const modes: readonly unknown[] = ["off", "shadow", "serve"] satisfies SessionMode[];
const isPercent = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 100;

function isRamp(value: unknown): value is Ramp {
  const { to, step, everyMs, next } = (value ?? {}) as Partial<Ramp>;
  const turns = isPercent(to) && isPercent(step) && step > 0;
  return turns && Number.isFinite(everyMs) && Number(everyMs) > 0 && next instanceof Date && !Number.isNaN(+next);
}

/** The dial as stored, with whatever newer servers keep in it; undefined when it cannot be one. */
export function readSessionSettings(stored: unknown): SessionSettings | undefined {
  const found = (stored ?? {}) as Partial<SessionSettings>;
  const { mode, percent, oldServers = true, ramp } = found;
  if (!modes.includes(mode) || !isPercent(percent) || typeof oldServers !== "boolean") return undefined;
  if (ramp !== undefined && !isRamp(ramp)) return undefined;
  return { ...(found as SessionSettings), oldServers };
}
