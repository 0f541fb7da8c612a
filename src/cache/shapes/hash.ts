import { inChunks } from "../../kernel/chunks.ts";
import type { RedisDoor, Script } from "../../redis/types.ts";
import { completeIn, fillsLua, pushedLua, readState, STATE, versionOf } from "../state.ts";
import type { ByIds } from "../types.ts";
import {
  type Element,
  type Found,
  filledAs,
  filling,
  lost,
  mapped,
  missing,
  mostAtOnce,
  orMissing,
  type PushReply,
  pushedOf,
  type Shape,
} from "./shape.ts";

/** So many fields and their values come or go at once. */
export const fieldsAtOnce = mostAtOnce / 2;

/** Lua: which of two texts is newer, and whether a reader could tell them apart. A text is a number, or ends with its \`rev\`. */
export const textLua = `
local function rev(text)
  return tonumber(string.match(text, '"rev":(%d+)}$') or text) or 0
end
local function bare(text, unseen)
  text = string.gsub(text, ',?"rev":%d+}$', "")
  return unseen == "" and text or string.gsub(text, '"' .. unseen .. '":"[^"]*"', "", 1)
end
local function differ(old, new, unseen)
  return not old or bare(old, unseen) ~= bare(new, unseen)
end`;

/** One step of reading all of a hash, \`all\` at once when it is small. */
export const stepLua = (hash: string) => `
local function step(cursor)
  if cursor == "" and redis.call("HLEN", ${hash}) <= ${fieldsAtOnce} then
    return { "0", redis.call("HGETALL", ${hash}) }
  end
  return redis.call("HSCAN", ${hash}, cursor == "" and "0" or cursor, "COUNT", ${fieldsAtOnce - 100})
end`;

/** KEYS: the hash. ARGV: how a state begins that counts, the cursor ("" to begin), then ids if only some are wanted. */
const read: Script = {
  name: "cache.hash.read",
  keys: 1,
  lua: `
${stepLua("KEYS[1]")}
local state = redis.call("HGET", KEYS[1], "${STATE}")
if not state or string.sub(state, 1, #ARGV[1]) ~= ARGV[1] then return { state or "missing" } end
local ttl = redis.call("PTTL", KEYS[1])
if #ARGV == 2 then
  local part = step(ARGV[2])
  return { state, ttl, part[1], part[2] }
end
local found = {}
for at = 3, #ARGV do
  local text = redis.call("HGET", KEYS[1], ARGV[at])
  if text then
    found[#found + 1] = ARGV[at]
    found[#found + 1] = text
  end
end
return { state, ttl, "0", found }`,
};

/** KEYS: the hash. ARGV: token, milliseconds of the lease, how a state begins that counts. */
const begin: Script = {
  name: "cache.hash.begin",
  keys: 1,
  lua: `
local state = redis.call("TYPE", KEYS[1]).ok == "hash" and redis.call("HGET", KEYS[1], "${STATE}")
if state and string.sub(state, 1, 8) == "filling " then return "filling" end
if state and string.sub(state, 1, #ARGV[3]) == ARGV[3] then return "complete" end
redis.call("DEL", KEYS[1])
redis.call("HSET", KEYS[1], "${STATE}", "filling " .. ARGV[1])
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return "begun"`,
};

/**
 * KEYS: the hash. ARGV: token ("" for a push), milliseconds of the lease, name of an unseen field, then ids and texts.
 * Of two images of one version the snapshot's counts: a push that came late may show what was before another's change.
 */
const merge: Script = {
  name: "cache.hash.put",
  keys: 1,
  lua: `
${fillsLua}
${pushedLua}
${textLua}
local state, snapshot = redis.call("HGET", KEYS[1], "${STATE}"), ARGV[1] ~= ""
if not state or (snapshot and not fills(state, ARGV[1])) then return { "missing" } end
if snapshot then redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
local changed, seen = 0, 0
for at = 4, #ARGV, 2 do
  local old, new = redis.call("HGET", KEYS[1], ARGV[at]), ARGV[at + 1]
  if not old or rev(old) < rev(new) or (snapshot and rev(old) == rev(new)) then
    redis.call("HSET", KEYS[1], ARGV[at], new)
    changed = changed + 1
    if differ(old, new, ARGV[3]) then seen = seen + 1 end
  end
end
if changed > 0 and not snapshot then
  state = pushed(state)
  redis.call("HSET", KEYS[1], "${STATE}", state)
end
return { state, changed, seen }`,
};

/** KEYS: the hash. ARGV: token, the state from now on, milliseconds of life. Answers how many it holds; -1: not the filler's alone. */
const finish: Script = {
  name: "cache.hash.finish",
  keys: 1,
  lua: `
${fillsLua}
local state = redis.call("HGET", KEYS[1], "${STATE}")
if not state or not fills(state, ARGV[1]) then return false end
redis.call("HSET", KEYS[1], "${STATE}", ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
return state == "filling " .. ARGV[1] and redis.call("HLEN", KEYS[1]) - 1 or -1`,
};

type ReadReply = [state: string, ttl?: number, cursor?: string, flat?: string[]];
export type FinishReply = number | null;

export interface HashOptions {
  door: RedisDoor;
  /** Readers of another form take it for missing. */
  form: string;
  /** A field of the JSON whose change alone is not worth telling. */
  unseen?: string;
}

/** Steps through a structure until all of it was read, with one state that held all along. */
export async function readAll(
  ask: (cursor: string) => ReturnType<RedisDoor["script"]>,
  epoch: number,
  form: string,
): ReturnType<Shape<never>["read"]> {
  const elements = new Map<string, Element>();
  let first: string | undefined;
  for (let cursor = ""; cursor !== "0"; ) {
    const answer = orMissing(await ask(cursor), ["missing"]);
    if (!answer.ok) return answer;
    const [state, ttlMs = 0, next = "0", flat = []] = answer.value as ReadReply;
    const complete = readState(state, epoch, form);
    const same = first === undefined || readState(first, epoch, form)?.token === complete?.token;
    if (!complete || !same) return { ok: true, value: state.startsWith("filling ") ? filling : missing };
    first ??= state;
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const [id = "", text = ""] = [flat[at], flat[at + 1]];
      if (id !== STATE) elements.set(id, { id, text });
    }
    cursor = next;
    const version = first === state ? complete.version : undefined;
    const found: Found = { state: "complete", elements: [...elements.values()], inOrder: false, version, ttlMs };
    if (cursor === "0") return { ok: true, value: found };
  }
  return { ok: true, value: missing };
}

/** None at all is not the same as all. */
export const wantedOf = ({ ids }: ByIds): readonly string[] => (ids.length > 0 ? ids : [STATE]);

/** A HASH of id to text. */
export function hashShape({ door, form, unseen = "" }: HashOptions): Shape<ByIds> {
  const flat = (elements: readonly Element[]) => elements.flatMap(({ id, text }) => [id, text]);

  return {
    keys: (key) => [key],
    async read(key, epoch, slice) {
      const head = completeIn(epoch, form);
      if (!slice) return readAll((cursor) => door.script(read, [key], [head, cursor]), epoch, form);
      return readAll(() => door.script(read, [key], [head, "", ...wantedOf(slice)]), epoch, form);
    },
    async stamp(key, epoch) {
      const asked = await door.call("cache.hash.stamp", (redis) =>
        Promise.all([redis.hGet(key, STATE), redis.pTTL(key)]),
      );
      return mapped(orMissing(asked, [null, 0]), ([state, ttlMs]) => {
        const complete = readState(state, epoch, form);
        return complete && { version: complete.version, ttlMs: Number(ttlMs) };
      });
    },
    begin: (key, token, epoch, leaseMs) => door.script(begin, [key], [token, `${leaseMs}`, completeIn(epoch, form)]),
    async fill(key, { token, epoch, leaseMs, ttlMs }, elements) {
      let put = 0;
      for (const chunk of inChunks(elements, fieldsAtOnce - 2)) {
        const answer = await door.script<PushReply>(merge, [key], [token, `${leaseMs}`, unseen, ...flat(chunk)]);
        if (!answer.ok) return answer;
        const [state, changed = 0] = answer.value;
        if (state === "missing") return { ok: true, value: lost };
        put += changed;
      }
      const end = [token, `${completeIn(epoch, form)}${token} 0`, `${ttlMs}`];
      const done = await door.script<FinishReply>(finish, [key], end);
      return mapped(done, (held) => (held === null ? lost : filledAs(`${token}.0`, elements, put, held)));
    },
    async push(key, elements) {
      const replies: PushReply[] = [];
      for (const chunk of inChunks(elements, fieldsAtOnce - 2)) {
        const answer = await door.script<PushReply>(merge, [key], ["", "0", unseen, ...flat(chunk)]);
        if (!answer.ok) return answer;
        replies.push(answer.value);
      }
      return { ok: true, value: pushedOf(replies, versionOf) };
    },
  };
}
