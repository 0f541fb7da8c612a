import type { Db } from "mongodb";
import { type CacheMemory, createCacheMemory } from "./cache/memory.ts";
import type { CacheRoom } from "./cache/room.ts";
import { updates } from "./chat/hot/answers.ts";
import { createHotSide, type HotSide } from "./chat/hot/index.ts";
import type { Config } from "./config/load.ts";
import type { Log } from "./kernel/log.ts";
import type { Figure } from "./ops/checks.ts";
import type { RedisDoor } from "./redis/types.ts";
import type { RolloutStore } from "./sessions/store.ts";

/** What this instance keeps in its own memory of what the caches hold. */
export function wireMemory(config: Config, caches: CacheRoom, door: RedisDoor): CacheMemory {
  const { CACHE_L1_MB: megabytes, BUS_HEARTBEAT: heartbeatMs, BUS_SILENCE: silenceMs } = config;
  return createCacheMemory({
    door,
    caches,
    topics: updates,
    limitBytes: megabytes * 1_048_576,
    heartbeatMs,
    silenceMs,
  });
}

export function lagOf({ bus }: CacheMemory): Figure {
  return { value: Math.round(bus.lagMs), unit: "ms", status: bus.well ? "pass" : "warn" };
}

/** The hot answers, which hear through the session store of every session that ends or is changed anywhere. */
export function wireHot({ bus }: CacheMemory, store: RolloutStore, db: Db, log: Log): HotSide {
  const { events, parts } = store;
  return createHotSide({
    bus,
    db,
    log,
    sessions: {
      live: () => parts.trust.live,
      onChanged(listener) {
        events.on("ended", ({ id }) => listener(id));
        events.on("changed", ({ id }) => listener(id));
      },
      onMissed: (listener) =>
        void events.on("following", ({ live, reason }) => {
          if (!live || reason === "afresh") listener();
        }),
    },
  });
}
