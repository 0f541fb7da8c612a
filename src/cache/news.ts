import type { CacheBus, Topic } from "./bus-types.ts";
import type { L1 } from "./l1.ts";
import type { Cache, CacheEventSource } from "./types.ts";

export interface NewsOptions {
  bus: CacheBus;
  l1: L1;
  events: CacheEventSource;
  /** The caches that others are told of, and on which channel. */
  caches: readonly { readonly cache: Pick<Cache<unknown>, "name" | "redisKey" | "heard">; readonly topic: Topic }[];
}

/** What changes here is told to the others; what they tell, and what may have been missed, is forgotten here. */
export function spreadNews({ bus, l1, events, caches }: NewsOptions): () => void {
  const known = new Map(caches.map((one) => [one.cache.name, one]));

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
  return () => {
    for (const stop of stops) stop();
  };
}
