import type { RedisDoor } from "./types.ts";

const todo: Record<string, string> = {
  "no Redis is configured": "Set REDIS_URL, REDIS_SENTINEL or REDIS_CLUSTER.",
  "DISABLE_REDIS is set": "Unset it for what needs Redis.",
  "the kill switch is on": "Run this again after sluice kill off.",
};

/** Why Redis gives no answer, and what to do about it. */
export async function silenceOf(door: Pick<RedisDoor, "health">): Promise<string> {
  const { state, reason } = await door.health();
  if (state === "disabled") return `Nothing goes to Redis: ${reason}. ${todo[reason] ?? ""}`.trimEnd();
  return `Redis gives no answer (${state}: ${reason}). Run this again when it does.`;
}
