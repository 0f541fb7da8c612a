import type { Events } from "../kernel/events.ts";
import type { MongoCommandEvents } from "../mongo/monitor.ts";
import type { Checks, Figure } from "./checks.ts";
import { createLately, type Lately, worstShare } from "./lately.ts";
import type { CacheSource } from "./metrics/caches.ts";

const counted = ["hit", "mongo", "bypass", "fresh", "stale", "failed", "redis", "redisMs"] as const;
type Counted = (typeof counted)[number];

interface Seen {
  hits: number;
  asked: number;
  filledAt?: string;
  lately: Lately<Counted>;
}

/** So many of the last reads count. */
const last = 1_000;

// As the alerts have it; fewer reads than so many tell nothing, because each list is filled once.
const tolerated = 0.3;
const fewest = 50;
const slowMs = 5;

const percent = (share: number) => `${Math.round(share * 100)} %`;
const rounded = (share: number) => Math.round(share * 1_000) / 1_000;
const warning = (amiss: boolean, output: string): Partial<Figure> => (amiss ? { status: "warn", output } : {});

/** How long MongoDB has taken for a look at it, lately. */
function createMongoPace(events: Events<MongoCommandEvents>) {
  const lately = createLately("asked", "ms");
  const end = events.on("command", ({ command, seconds }) => {
    if (command !== "find" && command !== "aggregate") return;
    lately.add("asked");
    lately.add("ms", seconds * 1_000);
  });
  let mean: number | undefined;
  return {
    end,
    look() {
      const { all } = lately.look();
      mean = all.asked > 0 ? all.ms / all.asked : undefined;
    },
    get ms() {
      return mean;
    },
  };
}

function latelyOf(name: string, { lately }: Seen, mongoMs: number | undefined): Figure[] {
  const moments = lately.look();
  const { now, all } = moments;
  const missed = worstShare(moments, "mongo", ["hit", "mongo"], fewest);
  const redisMs = now.redis > 0 ? now.redisMs / now.redis : 0;
  const slower = now.redis >= fewest / 10 && redisMs > slowMs && mongoMs !== undefined && redisMs > mongoMs;
  const slow = `Redis takes ${Math.round(redisMs)} ms for the cache ${name}, MongoDB ${Math.round(mongoMs ?? 0)} ms`;
  const wrong = `${percent(all.stale / Math.max(1, all.stale + all.fresh))} of its answers are not what MongoDB has`;
  return [
    { id: "misses", value: rounded(missed), ...warning(missed > tolerated, `${percent(missed)} of the reads miss`) },
    { id: "stale", value: all.stale, ...warning(all.stale > 0, wrong) },
    { id: "failed_writes", value: all.failed, ...warning(all.failed > 0, `${all.failed} writes to it failed`) },
    { id: "from_redis", value: Math.round(redisMs * 10) / 10, unit: "ms", ...warning(slower, slow) },
  ];
}

/** What the health page says of each cache: its switch, whether it is believed, how often it answers, and what it lacks. */
export function checkCaches(
  checks: Checks,
  { events, all }: CacheSource,
  mongo: Events<MongoCommandEvents>,
): () => void {
  const create = (): Seen => ({ hits: 0, asked: 0, lately: createLately(...counted) });
  const seen = new Map<string, Seen>([...all.keys()].map((name) => [name, create()]));
  const pace = createMongoPace(mongo);
  checks.add("mongo:queries", () => {
    pace.look();
    return pace.ms === undefined ? [] : [{ value: Math.round(pace.ms * 10) / 10, unit: "ms" }];
  });
  for (const [name, cache] of all)
    checks.add(`cache:${name}`, () => {
      const one = seen.get(name) ?? create();
      const { hits, asked, filledAt } = one;
      const figures: Figure[] = [
        cache.on && cache.doubt !== undefined
          ? {
              id: "switch",
              value: "on",
              status: "warn",
              output: `MongoDB answers for the cache ${name} (${cache.doubt})`,
            }
          : { id: "switch", value: cache.on ? "on" : "off" },
        { id: "hit_ratio", value: asked === 0 ? 0 : rounded(hits / asked) },
        ...latelyOf(name, one, pace.ms),
      ];
      return filledAt === undefined ? figures : [...figures, { id: "last_fill", value: filledAt }];
    });
  const ends = [
    pace.end,
    events.on("request", ({ cache, result, seconds }) => {
      const one = seen.get(cache);
      if (!one) return;
      // Older reads weigh less and less.
      if (one.asked >= last) Object.assign(one, { hits: one.hits / 2, asked: one.asked / 2 });
      one.asked += 1;
      const hit = result === "l1" || result === "redis";
      if (hit) one.hits += 1;
      one.lately.add(hit ? "hit" : result);
      if (result !== "redis") return;
      one.lately.add("redis");
      one.lately.add("redisMs", seconds * 1_000);
    }),
    events.on("fill", ({ cache, result }) => {
      const one = seen.get(cache);
      if (one && result === "complete") one.filledAt = new Date().toISOString();
    }),
    events.on("audit", ({ cache, stale }) => seen.get(cache)?.lately.add(stale ? "stale" : "fresh")),
    events.on("error", ({ cache, what }) => {
      if (what !== "read") seen.get(cache)?.lately.add("failed");
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
