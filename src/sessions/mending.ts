import type { Copies } from "./stores/copies.ts";
import type { Trust } from "./trust.ts";
import type { Timing } from "./types.ts";

/** Copies that may be wrong are taken away one by one; only when that cannot be done is all that stands in Redis old. */
export interface Mending {
  /** What was to be done to the copy came to nothing, or nobody knows to what. */
  now(id: string): void;
  /** MongoDB neither took nor refused a write: it may still happen, until MongoDB has answered for a while. */
  later(id: string): void;
  close(): void;
}

export interface MendingOptions {
  copies: Pick<Copies, "drop">;
  trust: Pick<Trust, "epoch" | "legFailed">;
  timing: Timing;
  /** Off the request path; `close` of the store waits for it. */
  aside(work: Promise<unknown>): void;
}

/** With more of them at once, all of Redis is made old instead. */
const most = 1_000;

export function createMending({ copies, trust, timing, aside }: MendingOptions): Mending {
  /** Since when, the oldest first. */
  const doubtful = new Map<string, number>();
  let flooded: { first: number; last: number } | undefined;

  async function drop(id: string): Promise<void> {
    const answer = await copies.drop(id);
    if (!answer.ok) trust.legFailed(answer);
  }

  const now = (id: string): void => aside(drop(id));

  function look(): void {
    const { epoch } = trust;
    for (const [id, since] of doubtful) {
      if (!epoch.settled(since)) break;
      doubtful.delete(id);
      now(id);
    }
    if (!flooded || !epoch.settled(flooded.first)) return;
    epoch.renew("many writes had no known outcome", "now");
    flooded = epoch.settled(flooded.last) ? undefined : { first: flooded.last, last: flooded.last };
  }

  const timer = setInterval(look, timing.doubt / 10);
  timer.unref();

  return {
    now,
    later(id) {
      const since = performance.now();
      doubtful.delete(id);
      if (doubtful.size < most) doubtful.set(id, since);
      else flooded = { first: flooded?.first ?? since, last: since };
    },
    close: () => clearInterval(timer),
  };
}
