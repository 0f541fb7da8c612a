import { inChunks } from "../../kernel/chunks.ts";
import type { RedisDoor, Script } from "../../redis/types.ts";
import { bumpLua, completeIn, readState, stateOf, versionOf } from "../state.ts";
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

/**
 * The newest first, the state last. An element is JSON whose \`id\` and order are read where a newcomer's place is looked for:
 * what is stored does not arrive in order. Past the limit the oldest goes, the state stays.
 */
const insertLua = `
${bumpLua}
local function insert(field, limit, new, from, state)
  local all, decoded, changed = redis.call("LRANGE", KEYS[1], 0, -2), {}, 0
  for at = from, #new, 3 do
    local id, order, text, place = new[at], new[at + 1], new[at + 2], #all + 1
    for index = 1, #all do
      local other = decoded[all[index]] or cjson.decode(all[index])
      decoded[all[index]] = other
      if other.id == id then place = nil break end
      if other[field] < order or (other[field] == order and other.id < id) then place = index break end
    end
    if place and place <= limit then
      if place == 1 then redis.call("LPUSH", KEYS[1], text)
      else redis.call("LINSERT", KEYS[1], "AFTER", all[place - 1], text) end
      table.insert(all, place, text)
      changed = changed + 1
      if #all > limit then
        table.remove(all)
        redis.call("LSET", KEYS[1], -2, state)
        redis.call("RPOP", KEYS[1])
      end
    end
  end
  return changed
end`;

/** KEYS: the list. ARGV: a state; what is of this one is not read. */
const read: Script = {
  name: "cache.list.read",
  keys: 1,
  lua: `
local ttl = redis.call("PTTL", KEYS[1])
if redis.call("LINDEX", KEYS[1], -1) == ARGV[1] then return { ttl } end
return { ttl, redis.call("LRANGE", KEYS[1], 0, -1) }`,
};

/** KEYS: the list. ARGV: name of the ordering field, limit, then ids, orders and texts. */
const push: Script = {
  name: "cache.list.push",
  keys: 1,
  lua: `
${insertLua}
local state = redis.call("LINDEX", KEYS[1], -1)
if not state then return { "missing" } end
local changed = insert(ARGV[1], tonumber(ARGV[2]), ARGV, 3, state)
if changed > 0 then
  state = bump(state)
  redis.call("LSET", KEYS[1], -1, state)
end
return { state, changed, changed }`,
};

/**
 * KEYS: the list. ARGV: name of the ordering field, limit, token, the state from now on, milliseconds of life, then ids, orders and texts.
 * Of two images of one element the snapshot's counts: a push that came late may show what was before another's change.
 */
const fill: Script = {
  name: "cache.list.fill",
  keys: 1,
  lua: `
${insertLua}
local state = redis.call("LINDEX", KEYS[1], -1)
if state ~= "filling " .. ARGV[3] then return false end
local field, limit, pushed = ARGV[1], tonumber(ARGV[2]), {}
for _, text in ipairs(redis.call("LRANGE", KEYS[1], 0, -2)) do
  local one = cjson.decode(text)
  pushed[#pushed + 1] = one.id
  pushed[#pushed + 1] = one[field]
  pushed[#pushed + 1] = text
end
if #pushed > 0 then redis.call("LTRIM", KEYS[1], -1, -1) end
local put = insert(field, limit, ARGV, 6, state)
insert(field, limit, pushed, 1, state)
redis.call("LSET", KEYS[1], -1, ARGV[4])
redis.call("PEXPIRE", KEYS[1], ARGV[5])
return { put, redis.call("LLEN", KEYS[1]) - 1 }`,
};

/** KEYS: the list. ARGV: token, milliseconds of the lease, how a state begins that counts. */
const begin: Script = {
  name: "cache.list.begin",
  keys: 1,
  lua: `
local state = redis.call("TYPE", KEYS[1]).ok == "list" and redis.call("LINDEX", KEYS[1], -1)
if state and string.sub(state, 1, 8) == "filling " then return "filling" end
if state and string.sub(state, 1, #ARGV[3]) == ARGV[3] then return "complete" end
redis.call("DEL", KEYS[1])
redis.call("RPUSH", KEYS[1], "filling " .. ARGV[1])
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return "begun"`,
};

const perChunk = Math.floor(mostAtOnce / 3) - 1;

export interface ListOptions {
  door: RedisDoor;
  form: string;
  /** The field of the JSON that orders, as text that sorts; equal ones are told apart by \`id\`. */
  orderedBy: string;
  /** So many at most, the greatest. */
  limit: number;
}

/** A LIST of the newest, and never a part of them. */
export function listShape({ door, form: name, orderedBy, limit }: ListOptions): Shape<never> {
  // Who wants more must not take the fewer of another for all there is.
  const form = `${name}-${limit}`;
  const flat = (elements: readonly Element[]) => elements.flatMap(({ id, text, rank = "" }) => [id, `${rank}`, text]);

  function found(all: readonly string[], ttlMs: number, epoch: number): Found {
    const state = all.at(-1);
    const complete = readState(state, epoch, form);
    if (!complete) return state?.startsWith("filling ") ? filling : missing;
    const elements = all.slice(0, -1).map((text) => ({ id: "", text }));
    return { state: "complete", elements, inOrder: true, version: complete.version, ttlMs };
  }

  return {
    keys: (key) => [key],
    compares: true,
    async read(key, epoch, _slice, known) {
      const state = known === undefined ? "" : stateOf(epoch, form, known);
      const asked = await door.script<[ttlMs: number, all?: string[]]>(read, [key], [state]);
      return mapped(orMissing(asked, [0, []]), ([ttlMs, all]) =>
        all ? found(all, ttlMs, epoch) : { state: "same", ttlMs },
      );
    },
    async stamp(key, epoch) {
      const asked = await door.call("cache.list.stamp", (redis) =>
        Promise.all([redis.lRange(key, -1, -1), redis.pTTL(key)]),
      );
      return mapped(orMissing(asked, [[], 0]), ([[state], ttlMs]) => {
        const complete = readState(state, epoch, form);
        return complete && { version: complete.version, ttlMs: Number(ttlMs) };
      });
    },
    begin: (key, token, epoch, leaseMs) => door.script(begin, [key], [token, `${leaseMs}`, completeIn(epoch, form)]),
    async fill(key, { token, epoch, ttlMs }, elements) {
      const head = [orderedBy, `${limit}`, token, `${completeIn(epoch, form)}${token} 0`, `${ttlMs}`];
      const done = await door.script<[put: number, held: number] | null>(fill, [key], [...head, ...flat(elements)]);
      return mapped(done, (counts) => (counts ? filledAs(`${token}.0`, elements, ...counts) : lost));
    },
    async push(key, elements) {
      const replies: PushReply[] = [];
      for (const chunk of inChunks(elements, perChunk)) {
        const answer = await door.script<PushReply>(push, [key], [orderedBy, `${limit}`, ...flat(chunk)]);
        if (!answer.ok) return answer;
        replies.push(answer.value);
      }
      return { ok: true, value: pushedOf(replies, versionOf) };
    },
  };
}
