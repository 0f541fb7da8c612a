import type { Clock } from "../kernel/clock.ts";
import type { Events } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import { traceOf } from "./failure.ts";
import type { DoorEvents, RedisState } from "./types.ts";

/** The state of the door: one event and one line in the log for each change; in an outage, one more line for each reason. */
export interface Status {
  readonly state: RedisState;
  readonly reason: string;
  readonly since: number;
  /** `error`: what is behind the reason, for the log alone. */
  set(state: RedisState, reason: string, error?: unknown): void;
}

interface StatusOptions {
  /** Where Redis is, for the log alone. */
  where: string;
  events: Events<DoorEvents>;
  log: Log;
  clock: Clock;
}

const rank: Record<RedisState, number> = { up: 0, recovering: 1, degraded: 1, down: 2, disabled: 3 };

export function createStatus(
  first: { state: RedisState; reason: string },
  { where, events, log, clock }: StatusOptions,
): Status {
  let { state, reason } = first;
  let since = clock.now();
  /** Why it is out, as far as the log has it. */
  const said = new Set<string>();

  const words = (from: RedisState): Record<RedisState, string> => ({
    up: "Redis is in use",
    degraded: "Redis takes no writes; reads go on",
    recovering:
      from === "disabled"
        ? "Redis is wanted again; connecting"
        : "Redis comes back; it is used when everything is in order",
    down: from === "down" ? `Redis at ${where} is still out` : `Redis at ${where} is out; going on without it`,
    disabled: "Redis is switched off; going on without it",
  });

  function tell(from: RedisState, error: unknown): void {
    const worse = rank[state] >= rank[from] || state === "degraded";
    const trace = traceOf(error);
    const fields = { from, to: state, reason, ...(trace && { err: trace }) };
    log[worse ? "warn" : "info"](fields, `${words(from)[state]} (${reason})`);
  }

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
      const from = state;
      reason = why;
      if (to === from) {
        if (to === "down" && !said.has(why)) tell(from, error);
        said.add(why);
        return;
      }
      state = to;
      since = clock.now();
      said.clear();
      said.add(why);
      tell(from, error);
      try {
        events.emit("state", { from, to, reason: why, at: since });
      } catch (error) {
        log.error({ err: error }, "a listener for the state of Redis threw");
      }
    },
  };
}
