import type { Clock } from "../kernel/clock.ts";
import type { Events } from "../kernel/events.ts";
import type { DoorEvents } from "../redis/types.ts";
import type { SessionEventSource } from "../sessions/types.ts";
import type { Checks, Figure } from "./checks.ts";
import { createLately, worstShare } from "./lately.ts";
import type { SessionSource } from "./metrics/sessions.ts";

// As the alerts have it; fewer than so many tell nothing.
const tolerated = 0.05;
const fewest = 5;

/** How much of what there was lately was bad. */
function createShare(words: string) {
  const lately = createLately("good", "bad");
  return {
    good: () => lately.add("good"),
    bad: () => lately.add("bad"),
    figure(): Figure {
      const share = worstShare(lately.look(), "bad", ["good", "bad"], fewest);
      const value = Math.round(share * 1_000) / 1_000;
      if (share <= tolerated) return { id: "ratio", value };
      return { id: "ratio", value, status: "warn", output: `${Math.round(share * 100)} % of ${words}` };
    },
  };
}

/** Calls that Redis leaves without an answer although it is there. */
export function checkErrors(checks: Checks, events: Events<DoorEvents>): () => void {
  const calls = createShare("the calls to Redis bring nothing");
  const ends = [
    events.on("answered", calls.good),
    events.on("unavailable", ({ reason }) => {
      if (reason !== "down" && reason !== "disabled") calls.bad();
    }),
  ];
  checks.add("redis:errors", calls.figure);
  return () => {
    for (const end of ends) end();
  };
}

const rememberedMs = 600_000;

/** That the dial has turned itself down, for as long as the alert tells it. */
export function checkSteps(checks: Checks, { steps }: Pick<SessionSource, "steps">, clock: Clock): () => void {
  let last: { at: number; words: string } | undefined;
  const end = steps.on("steppedDown", ({ cause, from, to }) => {
    last = { at: clock.now(), words: `the dial went down from ${from} % to ${to} % by itself, because of ${cause}` };
  });
  checks.add("sessions:steppedDown", () =>
    last && clock.now() - last.at < rememberedMs
      ? { value: new Date(last.at).toISOString(), status: "warn", output: last.words }
      : { value: "not lately" },
  );
  return end;
}

/** Cookies that are well signed and find no session. */
export function checkMissing(checks: Checks, events: SessionEventSource): () => void {
  const reads = createShare("the good cookies find no session");
  const ends = [
    events.on("operation", ({ op, result }) => {
      if (op === "get" && result === "hit") reads.good();
    }),
    events.on("missing", reads.bad),
  ];
  checks.add("sessions:missing", reads.figure);
  return () => {
    for (const end of ends) end();
  };
}
