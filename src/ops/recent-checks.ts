import type { Clock } from "../kernel/clock.ts";
import type { Events } from "../kernel/events.ts";
import type { DoorEvents, RedisDoor } from "../redis/types.ts";
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
    good: (times = 1) => lately.add("good", times),
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
export function checkErrors(checks: Checks, door: Pick<RedisDoor, "events" | "answered">): () => void {
  const calls = createShare("the calls to Redis bring nothing");
  let counted = 0;
  checks.add("redis:errors", () => {
    const answered = [...door.answered().values()].reduce((sum, times) => sum + times, 0);
    calls.good(answered - counted);
    counted = answered;
    return calls.figure();
  });
  return door.events.on("unavailable", ({ reason }) => {
    if (reason !== "down" && reason !== "disabled") calls.bad();
  });
}

// As long as the alerts look back.
const rememberedMs = 600_000;

/** How often something happened within that time. */
function createCount(clock: Clock) {
  const times = new Map<number, number>();
  return {
    add() {
      const second = Math.floor(clock.now() / 1_000);
      times.set(second, (times.get(second) ?? 0) + 1);
    },
    sum() {
      const since = (clock.now() - rememberedMs) / 1_000;
      for (const second of times.keys()) if (second < since) times.delete(second);
      return [...times.values()].reduce((all, one) => all + one, 0);
    },
  };
}

const oftenLost = 2;

/** A Redis that comes and goes. */
export function checkOutages(checks: Checks, events: Events<DoorEvents>, clock: Clock): () => void {
  const outages = createCount(clock);
  checks.add("redis:outages", () => {
    const value = outages.sum();
    const figure = { value, unit: "in 10 minutes" };
    if (value <= oftenLost) return figure;
    return { ...figure, status: "warn", output: `Redis was lost ${value} times in 10 minutes` };
  });
  return events.on("state", ({ to }) => {
    if (to === "down") outages.add();
  });
}

/** Copies that were not what MongoDB has, as shadow mode finds them. */
export function checkCompared(checks: Checks, events: SessionEventSource, clock: Clock): () => void {
  const wrong = createCount(clock);
  checks.add("sessions:shadow", () => {
    const value = wrong.sum();
    const figure = { id: "different", value, unit: "in 10 minutes" };
    if (value === 0) return figure;
    return { ...figure, status: "warn", output: `${value} times a copy in Redis was not what MongoDB has` };
  });
  return events.on("compared", ({ result }) => {
    if (result === "different" || result === "extra") wrong.add();
  });
}

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
