import type { RedisDoor } from "../redis/types.ts";
import { createDerived, type DerivedCache } from "./derived.ts";
import type { L1 } from "./l1.ts";
import { createPackedStore } from "./packed.ts";
import type { Cache, CacheEventSource } from "./types.ts";
import { type Answer, bytesOf, makeAnswer } from "./wire.ts";

export interface AnswersOptions<Entry> {
  cache: Cache<Entry>;
  l1: L1;
  door: Pick<RedisDoor, "call">;
  /** The body, from all entries of a key. */
  render(entries: readonly Entry[], key: string): string;
  events?: CacheEventSource;
}

/** The answers of an endpoint, each made once for each version of what it tells. */
export function createAnswers<Entry>({ cache, render, ...options }: AnswersOptions<Entry>): DerivedCache<Answer> {
  const { l1, door, events } = options;
  return createDerived<Entry, Answer>({
    cache,
    l1,
    name: "answer",
    store: createPackedStore(door, (key) => cache.redisKey(key)),
    ...(events && { events }),
    async make({ entries, version }, key) {
      // One that is sent only once is not worth packing.
      const packing = version === undefined ? { packFrom: Number.POSITIVE_INFINITY } : { version };
      const answer = await makeAnswer(render(entries, key), packing);
      return { value: answer, bytes: bytesOf(answer) };
    },
  });
}
