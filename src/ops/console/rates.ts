import type { Figures, InstanceReport } from "../../mongo/instances.ts";

/** What all instances did a second lately; null where it is not known yet, or nothing happened of which a mean could be told. */
export interface Point {
  readonly at: number;
  readonly cacheReads: number | null;
  readonly hitRatio: number | null;
  readonly redisMs: number | null;
  readonly mongoMs: number | null;
  readonly saved: number | null;
  readonly queries: number | null;
  readonly fallbacks: number | null;
  readonly missing: number | null;
  readonly errors: number | null;
}

export interface CacheRate {
  readonly reads: number;
  readonly hitRatio: number | null;
}

export interface Rates {
  /** Takes the reports as they are now, and answers what has changed since they were looked at last. */
  look(at: number, reports: readonly InstanceReport[]): { point: Point; caches: Record<string, CacheRate> };
}

type Sums = Omit<Figures, "caches">;
interface Known {
  at: number;
  figures: Figures;
  /** Per second, between its last two reports. */
  rate: Figures | undefined;
}

const names = [
  ...["cacheReads", "cacheHits", "redisReads", "redisSeconds", "mongoReads", "mongoSeconds"],
  ...["saved", "queries", "fallbacks", "missing", "errors"],
] as (keyof Sums)[];

const ratio = (part: number | null, whole: number | null) => (part !== null && whole ? part / whole : null);
const inMs = (seconds: number | null) => (seconds === null ? null : seconds * 1_000);

function perSecond(before: Known, { at, figures }: { at: number; figures: Figures }): Figures | undefined {
  const seconds = (at - before.at) / 1_000;
  // Its sums have begun anew: another process goes by this name.
  if (names.some((name) => figures[name] < before.figures[name])) return undefined;
  const per = (now: number, then = 0) => (now - then) / seconds;
  const sums = Object.fromEntries(names.map((name) => [name, per(figures[name], before.figures[name])]));
  const caches = Object.entries(figures.caches).map(([name, { reads, hits }]) => {
    const then = before.figures.caches[name];
    return [name, { reads: per(reads, then?.reads), hits: per(hits, then?.hits) }];
  });
  return { ...(sums as unknown as Sums), caches: Object.fromEntries(caches) };
}

/** The rates of all instances together, from the sums that they report. */
export function createRates(): Rates {
  let known = new Map<string, Known>();

  function follow({ serverId, at: date, figures }: InstanceReport): Known | undefined {
    const at = date.getTime();
    const before = known.get(serverId);
    if (!figures) return undefined;
    if (before && at <= before.at) return before;
    return { at, figures, rate: before && perSecond(before, { at, figures }) };
  }

  return {
    look(at, reports) {
      const now = new Map<string, Known>();
      for (const report of reports) {
        const one = follow(report);
        if (one) now.set(report.serverId, one);
      }
      known = now;
      const rates = [...now.values()].flatMap(({ rate }) => rate ?? []);
      const sum = (name: keyof Sums) => (rates.length > 0 ? rates.reduce((all, rate) => all + rate[name], 0) : null);
      const point: Point = {
        at,
        cacheReads: sum("cacheReads"),
        hitRatio: ratio(sum("cacheHits"), sum("cacheReads")),
        redisMs: inMs(ratio(sum("redisSeconds"), sum("redisReads"))),
        mongoMs: inMs(ratio(sum("mongoSeconds"), sum("mongoReads"))),
        saved: sum("saved"),
        queries: sum("queries"),
        fallbacks: sum("fallbacks"),
        missing: sum("missing"),
        errors: sum("errors"),
      };
      const caches: Record<string, { reads: number; hits: number }> = {};
      for (const rate of rates)
        for (const [name, { reads, hits }] of Object.entries(rate.caches)) {
          const all = caches[name] ?? { reads: 0, hits: 0 };
          caches[name] = { reads: all.reads + reads, hits: all.hits + hits };
        }
      const shown = Object.entries(caches).map(([name, { reads, hits }]) => [
        name,
        { reads, hitRatio: ratio(hits, reads) },
      ]);
      return { point, caches: Object.fromEntries(shown) };
    },
  };
}
