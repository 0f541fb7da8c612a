import type { Checks, Figure } from "./checks.ts";
import type { CacheSource } from "./metrics/caches.ts";

interface Seen {
  hits: number;
  asked: number;
  filledAt?: string;
}

/** So many of the last reads count. */
const last = 1_000;

/** What the health page says of each cache: its switch, whether it is believed, how often it answers, its last fill. */
export function checkCaches(checks: Checks, { events, all }: CacheSource): () => void {
  const seen = new Map<string, Seen>([...all.keys()].map((name) => [name, { hits: 0, asked: 0 }]));
  for (const [name, cache] of all)
    checks.add(`cache:${name}`, () => {
      const { hits, asked, filledAt } = seen.get(name) ?? { hits: 0, asked: 0 };
      const figures: Figure[] = [
        cache.on && cache.doubt !== undefined
          ? { id: "switch", value: "on", status: "warn", output: `MongoDB answers (${cache.doubt})` }
          : { id: "switch", value: cache.on ? "on" : "off" },
        { id: "hit_ratio", value: asked === 0 ? 0 : Math.round((hits / asked) * 1_000) / 1_000 },
      ];
      return filledAt === undefined ? figures : [...figures, { id: "last_fill", value: filledAt }];
    });
  const ends = [
    events.on("request", ({ cache, result }) => {
      const one = seen.get(cache);
      if (!one) return;
      // Older reads weigh less and less.
      if (one.asked >= last) Object.assign(one, { hits: one.hits / 2, asked: one.asked / 2 });
      one.asked += 1;
      if (result === "l1" || result === "redis") one.hits += 1;
    }),
    events.on("fill", ({ cache, result }) => {
      const one = seen.get(cache);
      if (one && result === "complete") one.filledAt = new Date().toISOString();
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
