import { withoutBudget } from "../kernel/budget.ts";
import { pause } from "../kernel/pause.ts";
import type { CacheEventSource } from "./types.ts";

/** Texts by id, as one of the two has them. */
type Image = ReadonlyMap<string, string>;

interface Both {
  readonly redis: Image;
  readonly mongo: Image;
}

export interface AuditorOptions<Slice> {
  cache: string;
  /** Percent of the hits. */
  percent: number;
  /** What Redis has, and what MongoDB has, of what was asked for; undefined when Redis has nothing that may be believed. */
  both: (key: string, slice: Slice | undefined) => Promise<Both | undefined>;
  heal: (key: string) => Promise<void>;
  events: CacheEventSource;
  signal: AbortSignal;
}

/** What is on its way is no mistake: only what has differed for so long, and has not moved, is. */
const settleMs = 1_000;
/** At most one in so long: auditing must not be what MongoDB is busy with. */
const everyMs = 250;

/** The first id of which Redis says something else than MongoDB, and both have said so all along. */
function difference(before: Both, after: Both): string | undefined {
  const ids = new Set([...after.redis.keys(), ...after.mongo.keys()]);
  for (const id of ids) {
    const [redis, mongo] = [after.redis.get(id), after.mongo.get(id)];
    if (redis !== mongo && before.redis.get(id) === redis && before.mongo.get(id) === mongo) return id;
  }
  return undefined;
}

/** Compares a share of what Redis has answered with MongoDB, aside from whoever asked, and throws away what is wrong. */
export function createAuditor<Slice>(options: AuditorOptions<Slice>): (key: string, slice?: Slice) => void {
  const { cache, percent, both, heal, events, signal } = options;
  let busy = false;
  let last = Number.NEGATIVE_INFINITY;

  async function audit(key: string, slice: Slice | undefined): Promise<void> {
    const begun = performance.now();
    const told = (stale: boolean) =>
      events.emit("audit", { cache, key, stale, ageMs: stale ? Math.round(performance.now() - begun) : 0 });
    const before = await both(key, slice);
    if (!before) return;
    if (difference(before, before) === undefined) return told(false);
    await pause(settleMs, signal);
    const after = signal.aborted ? undefined : await both(key, slice);
    if (!after) return;
    const stale = difference(before, after) !== undefined;
    told(stale);
    if (stale) await heal(key);
  }

  return (key, slice) => {
    if (busy || Math.random() * 100 >= percent || performance.now() - last < everyMs) return;
    busy = true;
    last = performance.now();
    withoutBudget(() => audit(key, slice))
      // MongoDB is out: whoever asks is told.
      .catch(() => undefined)
      .finally(() => {
        busy = false;
      });
  };
}
