import type { Events } from "../../kernel/events.ts";
import type { Figures } from "../../mongo/instances.ts";
import type { MongoCommandEvents } from "../../mongo/monitor.ts";
import type { DoorEvents } from "../../redis/types.ts";
import type { SessionEventSource } from "../../sessions/types.ts";
import type { CacheSource } from "../metrics/caches.ts";

interface FigureSources {
  sessions: SessionEventSource;
  caches: Pick<CacheSource, "events"> | undefined;
  redis: Events<DoorEvents>;
  mongo: Events<MongoCommandEvents>;
}

export interface FigureCounter {
  /** Everything counted since the start. */
  read(): Figures;
  watch(sources: FigureSources): void;
  close(): void;
}

/** Counts what an instance reports to the others, so that whichever of them is looked at can show all. */
export function createFigureCounter(): FigureCounter {
  const ends: (() => void)[] = [];
  const caches: Record<string, { reads: number; hits: number }> = {};
  const sums = {
    cacheReads: 0,
    cacheHits: 0,
    redisReads: 0,
    redisSeconds: 0,
    mongoReads: 0,
    mongoSeconds: 0,
    saved: 0,
    queries: 0,
    fallbacks: 0,
    missing: 0,
    errors: 0,
  };

  function timed(store: "redis" | "mongo", seconds: number): void {
    sums[`${store}Reads`] += 1;
    sums[`${store}Seconds`] += seconds;
  }

  return {
    read: () => ({
      ...sums,
      caches: Object.fromEntries(Object.entries(caches).map(([name, one]) => [name, { ...one }])),
    }),
    watch({ sessions, caches: room, redis, mongo }) {
      ends.push(
        sessions.on("operation", ({ op, store, seconds }) => {
          if (op !== "get") return;
          timed(store, seconds);
          if (store === "redis") sums.saved += 1;
        }),
        sessions.on("fallback", () => {
          sums.fallbacks += 1;
        }),
        sessions.on("missing", () => {
          sums.missing += 1;
        }),
        redis.on("unavailable", ({ reason }) => {
          if (reason !== "disabled") sums.errors += 1;
        }),
        mongo.on("command", ({ command }) => {
          if (command !== "changeStream") sums.queries += 1;
        }),
      );
      if (!room) return;
      ends.push(
        room.events.on("request", ({ cache, result, seconds }) => {
          const hit = result === "l1" || result === "redis";
          caches[cache] ??= { reads: 0, hits: 0 };
          const one = caches[cache];
          one.reads += 1;
          sums.cacheReads += 1;
          if (hit) {
            one.hits += 1;
            sums.cacheHits += 1;
            sums.saved += 1;
          }
          if (result === "redis") timed("redis", seconds);
          else if (result !== "l1") timed("mongo", seconds);
        }),
      );
    },
    close() {
      for (const end of ends.splice(0)) end();
    },
  };
}
