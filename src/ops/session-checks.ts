import type { Clock } from "../kernel/clock.ts";
import { createSampler } from "../kernel/sampler.ts";
import type { SessionStats } from "../sessions/types.ts";
import type { Checks } from "./checks.ts";
import type { Stream } from "./metrics/streams.ts";

/** What the health page says of the sessions. */
export function checkSessions(checks: Checks, stats: () => SessionStats): void {
  checks.add("sessions:fallback", () => {
    const { mode, percent, readingFrom, reason } = stats();
    const wanted = mode === "serve" && percent > 0;
    if (!wanted || readingFrom === "redis") return { value: "none" };
    return { value: "MongoDB", status: "warn", output: reason };
  });
  checks.add("sessions:rolloutPercentage", () => {
    const { mode, percent } = stats();
    return { id: mode, value: mode === "serve" ? percent : 0, unit: "percent" };
  });
  checks.add("sessions:epoch", () => {
    const { epoch, epochDue } = stats();
    return { value: epoch, status: epochDue ? "warn" : "pass" };
  });
}

/** The follower of what others do to sessions, as those of the other collections show themselves. */
export const streamOfSessions = (stats: () => SessionStats): Stream => ({
  get live() {
    return stats().streamLive;
  },
  get lagMs() {
    return stats().streamLagMs;
  },
  get reason() {
    return stats().streamReason;
  },
});

/** That the servers go by different settings, for longer than a change takes to come to all of them. */
export function checkAgreement(checks: Checks, differs: () => Promise<readonly string[]>, clock: Clock): () => void {
  let before: readonly string[] = [];
  const looks = createSampler({
    clock,
    async probe() {
      const found = await differs();
      const still = found.filter((name) => before.includes(name));
      before = found;
      return still;
    },
  });
  checks.add("sessions:agreement", () => {
    // Without MongoDB nobody knows where the others stand, and another check names it.
    if (!looks.latest?.ok) return { value: "unknown" };
    const names = looks.latest.value.join(", ");
    return names ? { value: names, status: "warn", output: `the servers differ in ${names}` } : { value: "full" };
  });
  return looks.close;
}
