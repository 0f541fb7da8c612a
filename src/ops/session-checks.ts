import type { SessionStats } from "../sessions/types.ts";
import type { Checks } from "./checks.ts";

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
