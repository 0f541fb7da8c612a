import { inChunks } from "../../kernel/chunks.ts";
import type { RedisDoor, Script } from "../../redis/types.ts";
import { completeIn, fillsLua, pushedLua, readState, STATE, versionOf } from "../state.ts";
import type { ByIds, ByScore } from "../types.ts";
import { type FinishReply, fieldsAtOnce, type HashOptions, readAll, stepLua, textLua, wantedOf } from "./hash.ts";
import {
  type Element,
  filledAs,
  lost,
  mapped,
  mostAtOnce,
  orMissing,
  type PushReply,
  pushedOf,
  type Shape,
} from "./shape.ts";

/**
 * Two keys are one structure: the ZSET of ids by score, and the HASH of their texts, which also holds the state. Both carry
 * the token of their fill, for under memory pressure one of them may go alone.
 */
const wholeLua = `
local function whole()
  local state = redis.call("HGET", KEYS[2], "${STATE}")
  local token = state and (string.match(state, "^filling (%S+)") or string.match(state, "^complete %S+ %S+ (%S+) %d+$"))
  return token and redis.call("ZSCORE", KEYS[1], "@" .. token) and state
end`;

/** KEYS: the ZSET, the HASH. ARGV: how a state begins that counts, the cursor ("" to begin), then ids if only some are wanted. */
const read: Script = {
  name: "cache.zset.read",
  keys: 2,
  lua: `
${wholeLua}
${stepLua("KEYS[2]")}
local state = whole()
if not state or string.sub(state, 1, #ARGV[1]) ~= ARGV[1] then return { state or "missing" } end
local ttl = math.min(redis.call("PTTL", KEYS[1]), redis.call("PTTL", KEYS[2]))
if #ARGV == 2 then
  local part = step(ARGV[2])
  return { state, ttl, part[1], part[2] }
end
local found = {}
for at = 3, #ARGV do
  local text = redis.call("HGET", KEYS[2], ARGV[at])
  if text then
    found[#found + 1] = ARGV[at]
    found[#found + 1] = text
  end
end
return { state, ttl, "0", found }`,
};

/** KEYS: the ZSET, the HASH. ARGV: how a state begins that counts, how many, and after which score and id ("+inf" and "" for the first). */
const page: Script = {
  name: "cache.zset.page",
  keys: 2,
  lua: `
${wholeLua}
local state = whole()
if not state or string.sub(state, 1, #ARGV[1]) ~= ARGV[1] then return { state or "missing" } end
local ttl = math.min(redis.call("PTTL", KEYS[1]), redis.call("PTTL", KEYS[2]))
local wanted, found, from = tonumber(ARGV[2]), {}, 0
while #found < wanted * 2 do
  local part = redis.call("ZREVRANGEBYSCORE", KEYS[1], ARGV[3], "(-inf", "WITHSCORES", "LIMIT", from, ${fieldsAtOnce})
  for at = 1, #part, 2 do
    local after = ARGV[4] == "" or tonumber(part[at + 1]) < tonumber(ARGV[3]) or part[at] < ARGV[4]
    if after and #found < wanted * 2 then
      local text = redis.call("HGET", KEYS[2], part[at])
      if not text then return { "missing" } end
      found[#found + 1] = part[at]
      found[#found + 1] = text
    end
  end
  if #part < ${fieldsAtOnce * 2} then break end
  from = from + ${fieldsAtOnce}
end
return { state, ttl, "0", found }`,
};

/** KEYS: the ZSET, the HASH. ARGV: token, milliseconds of the lease, how a state begins that counts. */
const begin: Script = {
  name: "cache.zset.begin",
  keys: 2,
  lua: `
${wholeLua}
local ours = redis.call("TYPE", KEYS[1]).ok == "zset" and redis.call("TYPE", KEYS[2]).ok == "hash"
local state = ours and whole()
if state and string.sub(state, 1, 8) == "filling " then return "filling" end
if state and string.sub(state, 1, #ARGV[3]) == ARGV[3] then return "complete" end
redis.call("DEL", KEYS[1], KEYS[2])
redis.call("ZADD", KEYS[1], "-inf", "@" .. ARGV[1])
redis.call("HSET", KEYS[2], "${STATE}", "filling " .. ARGV[1])
redis.call("PEXPIRE", KEYS[1], ARGV[2])
redis.call("PEXPIRE", KEYS[2], ARGV[2])
return "begun"`,
};

/** KEYS: the ZSET, the HASH. ARGV: token ("" for a push), milliseconds of the lease, name of an unseen field, then ids, scores and texts. */
const merge: Script = {
  name: "cache.zset.put",
  keys: 2,
  lua: `
${fillsLua}
${pushedLua}
${textLua}
${wholeLua}
local state, snapshot = whole(), ARGV[1] ~= ""
if not state or (snapshot and not fills(state, ARGV[1])) then return { "missing" } end
if snapshot then
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
  redis.call("PEXPIRE", KEYS[2], ARGV[2])
end
local changed, seen, scores = 0, 0, {}
for at = 4, #ARGV, 3 do
  local old, new = redis.call("HGET", KEYS[2], ARGV[at]), ARGV[at + 2]
  if not old or rev(old) < rev(new) then
    redis.call("HSET", KEYS[2], ARGV[at], new)
    scores[#scores + 1] = ARGV[at + 1]
    scores[#scores + 1] = ARGV[at]
    changed = changed + 1
    if differ(old, new, ARGV[3]) then seen = seen + 1 end
  end
end
if changed > 0 then
  redis.call("ZADD", KEYS[1], unpack(scores))
  if not snapshot then
    state = pushed(state)
    redis.call("HSET", KEYS[2], "${STATE}", state)
  end
end
return { state, changed, seen }`,
};

/** KEYS: the ZSET, the HASH. ARGV: token, the state from now on, milliseconds of life. Answers how many it holds; -1: not the filler's alone. */
const finish: Script = {
  name: "cache.zset.finish",
  keys: 2,
  lua: `
${fillsLua}
${wholeLua}
local state = whole()
if not state or not fills(state, ARGV[1]) then return false end
redis.call("HSET", KEYS[2], "${STATE}", ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
redis.call("PEXPIRE", KEYS[2], ARGV[3])
return state == "filling " .. ARGV[1] and redis.call("HLEN", KEYS[2]) - 1 or -1`,
};

const perChunk = Math.floor(mostAtOnce / 3) - 1;

/** A ZSET of ids by score, with the texts in a HASH of the same slot. */
export function zsetShape({ door, form, unseen = "" }: HashOptions & { door: RedisDoor }): Shape<ByIds | ByScore> {
  const keys = (key: string) => [key, `{${key}}:profiles`];
  const flat = (elements: readonly Element[]) => elements.flatMap(({ id, text, rank = 0 }) => [id, `${rank}`, text]);

  return {
    keys,
    async read(key, epoch, slice) {
      const head = completeIn(epoch, form);
      if (!slice) return readAll((cursor) => door.script(read, keys(key), [head, cursor]), epoch, form);
      if ("ids" in slice)
        return readAll(() => door.script(read, keys(key), [head, "", ...wantedOf(slice)]), epoch, form);
      const { count, after } = slice;
      const from = [after ? `${after.score}` : "+inf", after?.id ?? ""];
      const found = await readAll(() => door.script(page, keys(key), [head, `${count}`, ...from]), epoch, form);
      return mapped(found, (value) => (value.state === "complete" ? { ...value, inOrder: true } : value));
    },
    async stamp(key, epoch) {
      const [, hash = key] = keys(key);
      const asked = await door.call("cache.zset.stamp", (redis) =>
        Promise.all([redis.hGet(hash, STATE), redis.pTTL(hash), redis.pTTL(key)]),
      );
      return mapped(orMissing(asked, [null, 0, 0]), ([state, one, other]) => {
        const complete = readState(state, epoch, form);
        const ttlMs = Math.min(Number(one), Number(other));
        return complete && ttlMs > 0 ? { version: complete.version, ttlMs } : undefined;
      });
    },
    begin: (key, token, epoch, leaseMs) =>
      door.script(begin, keys(key), [token, `${leaseMs}`, completeIn(epoch, form)]),
    async fill(key, { token, epoch, leaseMs, ttlMs }, elements) {
      let put = 0;
      for (const chunk of inChunks(elements, perChunk)) {
        const answer = await door.script<PushReply>(merge, keys(key), [token, `${leaseMs}`, unseen, ...flat(chunk)]);
        if (!answer.ok) return answer;
        const [state, changed = 0] = answer.value;
        if (state === "missing") return { ok: true, value: lost };
        put += changed;
      }
      const end = [token, `${completeIn(epoch, form)}${token} 0`, `${ttlMs}`];
      const done = await door.script<FinishReply>(finish, keys(key), end);
      return mapped(done, (held) => (held === null ? lost : filledAs(`${token}.0`, elements, put, held)));
    },
    async push(key, elements) {
      const replies: PushReply[] = [];
      for (const chunk of inChunks(elements, perChunk)) {
        const answer = await door.script<PushReply>(merge, keys(key), ["", "0", unseen, ...flat(chunk)]);
        if (!answer.ok) return answer;
        replies.push(answer.value);
      }
      return { ok: true, value: pushedOf(replies, versionOf) };
    },
  };
}
