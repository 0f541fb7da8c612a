import { type CacheMemory, createCacheMemory } from "./cache/memory.ts";
import type { CacheRoom } from "./cache/room.ts";
import { updates } from "./chat/hot/answers.ts";
import { createHotSide, type HotSide, type HotSideOptions } from "./chat/hot/index.ts";
import type { Config } from "./config/load.ts";
import type { Figure } from "./ops/checks.ts";
import { unheard } from "./ops/health.ts";
import type { RedisDoor } from "./redis/types.ts";
import type { RolloutStore } from "./sessions/store.ts";

/** What this instance keeps in its own memory of what the caches hold. */
export function wireMemory(config: Config, caches: CacheRoom, door: RedisDoor): CacheMemory {
  const { CACHE_L1_MB: megabytes, BUS_HEARTBEAT: heartbeatMs, BUS_SILENCE: silenceMs } = config;
  const limitBytes = megabytes * 1_048_576;
  return createCacheMemory({ door, caches, topics: updates, limitBytes, heartbeatMs, silenceMs });
}

export async function lagOf({ bus }: CacheMemory, door: Pick<RedisDoor, "health">): Promise<Figure> {
  const lag = { value: Math.round(bus.lagMs), unit: "ms" };
  if (bus.well) return lag;
  const { deaf = "none comes back" } = await door.health();
  return { ...lag, status: "warn", output: unheard(deaf) };
}

interface HotParts extends Pick<HotSideOptions, "config" | "db" | "watch" | "feeds" | "standings" | "log"> {
  memory: CacheMemory;
  store: RolloutStore;
}

/** The hot answers, which hear through the session store of every session that ends or is changed anywhere. */
export function wireHot({ memory, store, ...parts }: HotParts): HotSide {
  const {
    events,
    parts: { trust },
  } = store;
  return createHotSide({
    ...parts,
    bus: memory.bus,
    sessions: {
      live: () => trust.live,
      onChanged(listener) {
        events.on("ended", ({ id }) => listener(id));
        events.on("changed", ({ id }) => listener(id));
      },
      onEndMoved: (listener) => void events.on("endMoved", ({ id, leftMs }) => listener(id, leftMs)),
      onMissed: (listener) =>
        void events.on("following", ({ live, reason }) => {
          if (!live || reason === "afresh") listener();
        }),
    },
  });
}
