import { SluiceError } from "../kernel/errors.ts";
import { type AppCacheOptions, checkCache } from "./app-options.ts";
import type { Topic } from "./bus-types.ts";
import type { Declaration, Following } from "./declaration.ts";
import type { DerivedCache } from "./derived.ts";
import type { AppCache } from "./http/aside.ts";
import type { CacheMemory } from "./memory.ts";
import type { CacheRoom } from "./room.ts";
import type { ByIds, Freshness } from "./types.ts";
import type { Answer } from "./wire.ts";

interface Place {
  room: Pick<CacheRoom, "all" | "create" | "shapes">;
  memory: CacheMemory;
  topic: Topic;
  /** Of the keys in Redis. */
  prefix: string;
  /** Ends when it is known whether Redis can be told anything. */
  ready: Promise<void>;
  /** Somebody is answered from here, who reads what stands in Redis. */
  nowReads(): void;
}

/** One value, as JSON; none where there is no such value. */
interface Held {
  readonly text: string;
  readonly rev: number;
}

type Load<T> = (key: string) => Promise<T | null | undefined>;

const id = "value";

export function createAppCache<T>(options: AppCacheOptions<T>, place: Place): AppCache<T> {
  const { room, memory, topic, prefix, ready, nowReads } = place;
  checkCache(options, room.all);
  const { name, ttlSeconds, version, stringify = JSON.stringify, follow } = options;
  let load: Load<T> | undefined;
  /** As the route wants it that loads the values; who only writes has none. */
  const freshness: Freshness = { class: "own-writes" };

  /** 0: it carries none that could be compared. */
  function versionOf(value: T): number {
    const found = version === undefined ? 0 : Number((value as Record<string, unknown>)[version]);
    return Number.isSafeInteger(found) && found > 0 ? found : 0;
  }

  const held = (value: T): Held => ({ text: stringify(value), rev: versionOf(value) });

  async function loaded(key: string): Promise<Held[]> {
    if (!load)
      throw new SluiceError("CACHE_UNUSED", `The cache "${name}" is loaded by no route; give it to cacheAside.`);
    const value = await load(key);
    return value === null || value === undefined ? [] : [held(value)];
  }

  const following: Following<Held> | undefined = follow && {
    collection: follow.collection,
    read(change) {
      const key = follow.key(change);
      return key === undefined ? undefined : { key, drop: "it was changed past this app" };
    },
  };

  const declaration: Declaration<Held, ByIds> = {
    name,
    shape: room.shapes.hash({ form: "1" }),
    key: (key) => `${prefix}${name}:${key}`,
    ttlSeconds,
    freshness,
    load: loaded,
    byIds: (ids) => ({ ids }),
    id: () => id,
    element: ({ text, rev }) => ({ id, text: JSON.stringify({ text, rev }) }),
    entry: ({ text }) => JSON.parse(text) as Held,
    version: ({ rev }) => rev,
    compare: () => 0,
    ...(following && { follow: following }),
  };
  const cache = room.create(declaration);
  memory.share(cache, topic);

  async function drop(key: string, why: string): Promise<void> {
    await ready;
    await cache.drop(key, why);
  }

  return {
    name,
    ownJson: options.stringify !== undefined,
    loadedBy(given, wanted): DerivedCache<Answer> {
      if (load)
        throw new SluiceError(
          "CACHE_TWICE",
          `The cache "${name}" is loaded by a route already; make another for this.`,
        );
      load = given;
      nowReads();
      Object.assign(freshness, wanted);
      return memory.answers(cache, ([value]) => value?.text ?? "");
    },
    async wrote(key, value) {
      // Who answers nobody need not know what JSON the others send.
      if (!load || value === undefined || versionOf(value) === 0) return drop(key, "it was written");
      await ready;
      await cache.wrote(key, [held(value)]);
    },
    drop,
    async doubted(key) {
      await ready;
      await cache.doubted(key);
    },
  };
}
