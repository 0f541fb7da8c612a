import { withoutBudget } from "../kernel/budget.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { DerivedStore } from "./derived.ts";
import { type Answer, bytesOf } from "./wire.ts";

/** Below, making it anew is as cheap as fetching it. */
const worthKeeping = 16 * 1_024;
/** A string of more would hold up everybody on that server. */
const mostBytes = 1_000_000;
/** A packed form that saves less does not pay for its place. */
const mostPart = 0.6;

/** In the slot of the key it was made from, whose name it carries. */
const packedKey = (redisKey: string) => `{${redisKey}}:answer`;

function write({ type, etag, length, br }: Answer, version: string): string | undefined {
  if (!br || length < worthKeeping) return undefined;
  const text = `${JSON.stringify({ version, type, etag, length })}\n${br.toString("base64")}`;
  return text.length <= Math.min(mostBytes, length * mostPart) ? text : undefined;
}

function read(text: string): Answer | undefined {
  const end = text.indexOf("\n");
  try {
    const head = JSON.parse(text.slice(0, end)) as Omit<Answer, "br">;
    return { ...head, br: Buffer.from(text.slice(end + 1), "base64") };
  } catch {
    return undefined;
  }
}

/** Big answers in Redis, packed, so that an instance that has none makes none. */
export function createPackedStore(door: Pick<RedisDoor, "call">, keyOf: (key: string) => string): DerivedStore<Answer> {
  return {
    async get(key) {
      const reply = await door.call("cache.answer", (redis) => redis.get(packedKey(keyOf(key))));
      const answer = reply.ok && reply.value !== null ? read(reply.value) : undefined;
      return answer && { value: answer, bytes: bytesOf(answer), version: answer.version };
    },
    put(key, { value }, version, ttlMs) {
      const full = packedKey(keyOf(key));
      const text = write(value, version);
      if (text === undefined) return;
      void withoutBudget(() =>
        door.call("cache.answer.keep", (redis) => redis.set(full, text, { PX: Math.ceil(ttlMs) })),
      );
    },
  };
}
