import type { ChangeStreamDocument, Document } from "mongodb";
import { SluiceError } from "../kernel/errors.ts";
import type { Topic } from "./bus-types.ts";
import type { Declaration, Following } from "./declaration.ts";
import type { DerivedCache } from "./derived.ts";
import type { AppCache } from "./http/aside.ts";
import type { CacheMemory } from "./memory.ts";
import type { CacheRoom } from "./room.ts";
import type { ByIds, Cache, Freshness } from "./types.ts";
import type { Answer } from "./wire.ts";

export interface AppCacheOptions {
  /** Also part of its keys in Redis, `cache:<name>:<key>`. */
  name: string;
  ttlSeconds: number;
  /** A field of the value, a whole number that grows with each write: then what is written goes into Redis as it is. */
  version?: string;
  /** Writes past `writeThrough` that MongoDB's change stream tells of; needs a replica set. */
  follow?: {
    collection: string;
    /** The key of the value that the change is of; undefined: of none. */
    key(change: ChangeStreamDocument<Document>): string | undefined;
  };
}

interface Place {
  room: Pick<CacheRoom, "create" | "shapes">;
  memory: CacheMemory;
  topic: Topic;
}

/** One value, as JSON; none where there is no such value. */
interface Held {
  readonly text: string;
  readonly rev: number;
}

const id = "value";
const usual: Freshness = { class: "own-writes" };

export function createAppCache<T>(options: AppCacheOptions, { room, memory, topic }: Place): AppCache<T> {
  const { name, ttlSeconds, version, follow } = options;
  let loading: { load: (key: string) => Promise<T | null | undefined>; cache: Cache<Held, ByIds> } | undefined;

  /** 0: it carries none that could be compared. */
  function versionOf(value: T): number {
    const found = version === undefined ? 0 : Number((value as Record<string, unknown>)[version]);
    return Number.isSafeInteger(found) && found > 0 ? found : 0;
  }

  const held = (value: T): Held => ({ text: JSON.stringify(value), rev: versionOf(value) });

  const following: Following<Held> | undefined = follow && {
    collection: follow.collection,
    read(change) {
      const key = follow.key(change);
      return key === undefined ? undefined : { key, drop: "it was changed past this app" };
    },
  };

  function declare(load: (key: string) => Promise<T | null | undefined>, freshness: Freshness): Cache<Held, ByIds> {
    const declaration: Declaration<Held, ByIds> = {
      name,
      shape: room.shapes.hash({ form: "1" }),
      key: (key) => `cache:${name}:${key}`,
      ttlSeconds,
      freshness,
      async load(key) {
        const value = await load(key);
        return value === null || value === undefined ? [] : [held(value)];
      },
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
    return cache;
  }

  const known = (): Cache<Held, ByIds> => {
    if (loading) return loading.cache;
    throw new SluiceError("CACHE_UNUSED", `The cache "${name}" is loaded by no route; give it to cacheAside first.`);
  };

  return {
    name,
    loadedBy(load, freshness = usual): DerivedCache<Answer> {
      if (loading)
        throw new SluiceError(
          "CACHE_TWICE",
          `The cache "${name}" is loaded by a route already; make another for this.`,
        );
      loading = { load, cache: declare(load, freshness) };
      return memory.answers(loading.cache, ([value]) => value?.text ?? "");
    },
    async wrote(key, value) {
      if (value === undefined || versionOf(value) === 0) await known().drop(key, "it was written");
      else await known().wrote(key, [held(value)]);
    },
    drop: (key, why) => known().drop(key, why),
  };
}
