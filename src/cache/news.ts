import type { CacheBus, Topic } from "./bus-types.ts";
import type { L1 } from "./l1.ts";
import type { Cache, CacheEventSource } from "./types.ts";

export interface NewsOptions {
  bus: CacheBus;
  l1: L1;
  events: CacheEventSource;
}

type Shared = Pick<Cache<unknown>, "name" | "redisKey" | "heard">;

export interface News {
  /** The others are told of this cache, on this channel. */
  share(cache: Shared, topic: Topic): void;
  stop(): void;
}

/** What changes here is told to the others; what they tell, and what may have been missed, is forgotten here. */
export function spreadNews({ bus, l1, events }: NewsOptions): News {
  const known = new Map<string, { cache: Shared; topic: Topic }>();

  const stops = [
    events.on("changed", ({ cache, key, version, here }) => {
      const one = known.get(cache);
      if (!one) return;
      l1.drop(one.cache.redisKey(key));
      // What came from MongoDB's own stream comes to everybody by that.
      if (here) bus.publish(one.topic, { key: `${cache}:${key}`, ...(version !== undefined && { version }) });
    }),
    events.on("cleared", () => l1.clear()),
    bus.events.on("missed", () => l1.clear()),
    bus.events.on("news", ({ key: named }) => {
      const end = named.indexOf(":");
      const one = known.get(named.slice(0, end));
      if (!one) return;
      const key = named.slice(end + 1);
      one.cache.heard(key);
      l1.drop(one.cache.redisKey(key));
    }),
  ];
  return {
    share: (cache, topic) => void known.set(cache.name, { cache, topic }),
    stop() {
      for (const stop of stops) stop();
    },
  };
}
