import type { Clock } from "../kernel/clock.ts";
import type { Events } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import { traceOf } from "./failure.ts";
import type { DoorEvents, RedisState } from "./types.ts";

/** The state of the door: one event and one line in the log for each change, none for a new reason of the same state. */
export interface Status {
  readonly state: RedisState;
  readonly reason: string;
  readonly since: number;
  /** `error`: what is behind the reason, for the log alone. */
  set(state: RedisState, reason: string, error?: unknown): void;
}

const rank: Record<RedisState, number> = { up: 0, recovering: 1, degraded: 1, down: 2, disabled: 3 };
const words: Record<RedisState, string> = {
  up: "Redis is in use",
  degraded: "Redis takes no writes; reads go on",
  recovering: "Redis comes back; it is used when everything is in order",
  down: "Redis is out; going on without it",
  disabled: "Redis is switched off; going on without it",
};

export function createStatus(
  first: { state: RedisState; reason: string },
  { events, log, clock }: { events: Events<DoorEvents>; log: Log; clock: Clock },
): Status {
  let { state, reason } = first;
  let since = clock.now();
  return {
    get state() {
      return state;
    },
    get reason() {
      return reason;
    },
    get since() {
      return since;
    },
    set(to, why, error) {
      reason = why;
      if (to === state) return;
      const from = state;
      state = to;
      since = clock.now();
      const worse = rank[to] > rank[from] || to === "degraded";
      const trace = traceOf(error);
      log[worse ? "warn" : "info"]({ from, to, reason: why, ...(trace && { err: trace }) }, `${words[to]} (${why})`);
      try {
        events.emit("state", { from, to, reason: why, at: since });
      } catch (error) {
        log.error({ err: error }, "a listener for the state of Redis threw");
      }
    },
  };
}
