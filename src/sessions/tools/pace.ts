import { pause } from "../../kernel/pause.ts";

/** How much of what was not used may be made up for. */
const arrearsMs = 250;

/** Waits before each portion of work so that there are no more than `perSecond` of it. */
export function createPace(perSecond: number, signal: AbortSignal): (portion: number) => Promise<void> {
  let due = performance.now();
  return async (portion) => {
    const wait = due - performance.now();
    if (wait > 0) await pause(wait, signal);
    due = Math.max(due, performance.now() - arrearsMs) + (portion * 1_000) / perSecond;
  };
}
