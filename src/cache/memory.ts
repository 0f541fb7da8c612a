import type { RedisDoor } from "../redis/types.ts";
import { type AnswersOptions, createAnswers } from "./answers.ts";
import { createBus } from "./bus.ts";
import type { CacheBus, Topic } from "./bus-types.ts";
import { createDerived, type DerivedCache, type DerivedOptions } from "./derived.ts";
import { createL1, type L1 } from "./l1.ts";
import { spreadNews } from "./news.ts";
import type { CacheRoom } from "./room.ts";
import type { Cache } from "./types.ts";
import type { Answer } from "./wire.ts";

export interface MemoryOptions {
  door: Pick<RedisDoor, "state" | "call" | "channel" | "subscribe">;
  caches: Pick<CacheRoom, "events" | "keepIn">;
  /** The channels on which changes are told. */
  topics: readonly Topic[];
  /** 0: nothing is kept in this process. */
  limitBytes: number;
  heartbeatMs: number;
  silenceMs: number;
}

/** What a process keeps of its caches in its own memory, and how it hears that it must not any more. */
export interface CacheMemory {
  readonly bus: CacheBus;
  readonly l1: L1;
  /** From now on changes of this cache are told on `topic`, and heard. */
  share(cache: Pick<Cache<unknown>, "name" | "redisKey" | "heard">, topic: Topic): void;
  /** What is made of all entries of a key, kept until they change; `name` tells it from whatever else is. */
  derive<Entry, T extends object>(
    cache: Cache<Entry>,
    name: string,
    make: DerivedOptions<Entry, T>["make"],
  ): DerivedCache<T>;
  answers<Entry>(cache: Cache<Entry>, render: AnswersOptions<Entry>["render"]): DerivedCache<Answer>;
  close(): Promise<void>;
}

export function createCacheMemory({
  door,
  caches,
  topics,
  limitBytes,
  heartbeatMs,
  silenceMs,
}: MemoryOptions): CacheMemory {
  const { events } = caches;
  const bus = createBus({ door, topics, heartbeatMs, silenceMs });
  const l1 = createL1({ limitBytes, believed: () => bus.well });
  caches.keepIn(l1);
  const news = spreadNews({ bus, l1, events });
  return {
    bus,
    l1,
    share: news.share,
    derive: (cache, name, make) => createDerived({ cache, l1, name, make, events }),
    answers: (cache, render) => createAnswers({ cache, l1, door, render, events }),
    async close() {
      news.stop();
      await bus.close();
      l1.clear();
    },
  };
}
