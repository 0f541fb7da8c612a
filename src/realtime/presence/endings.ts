import type { Script } from "../../redis/types.ts";
import { elsewhere } from "./elsewhere.ts";

/**
 * KEYS: shared, what the dead server has, servers, revs, profiles, last. ARGV: dead server, its score as seen, token, ttl,
 * channel, base, what the names of `own` and `last` begin with, "1" when there is more to come, then member and profile of each
 * that the server is known to have had. Takes up to 1,000 away; answers JSON: the state, then member and profile of each that
 * nobody else has. Not now: it lives, or it cannot be said what the others have.
 */
export const reapServer: Script = {
  name: "presence.reap",
  keys: 6,
  lua: `${elsewhere}
local server, seen, token, ttl, channel, base, owns, lasts, follows = unpack(ARGV, 1, 9)
local saved = redis.call("HMGET", KEYS[6], "reap", "reaped")
if saved[1] == token then return saved[2] end
local mark = redis.call("ZSCORE", KEYS[3], server)
if not mark or tonumber(mark) ~= tonumber(seen) then return '["later"]' end
local others = otherServers(KEYS[3], KEYS[4], server)
if somebodyUnknown(others, owns, lasts) then return '["later"]' end
redis.call("ZADD", KEYS[3], 2, server)
redis.call("HDEL", KEYS[4], server)
local members, had, known = redis.call("SPOP", KEYS[2], 1000), {}, {}
for _, member in ipairs(members) do had[member] = true end
for i = 10, #ARGV, 2 do
  known[ARGV[i]] = ARGV[i + 1]
  if not had[ARGV[i]] then members[#members + 1] = ARGV[i] end
end
local held = heldBy(others, owns, members)
local more = follows == "1" or redis.call("SCARD", KEYS[2]) > 0
local answer = {more and "more" or "done"}
for _, member in ipairs(members) do
  if not held[member] then
    local profile = redis.call("HGET", KEYS[5], member) or known[member] or ""
    redis.call("HDEL", KEYS[5], member)
    if redis.call("SREM", KEYS[1], member) == 1 or had[member] then
      answer[#answer + 1] = member
      answer[#answer + 1] = profile
    end
  end
end
if not more then
  redis.call("ZADD", KEYS[3], text(-now()), server)
  redis.call("PUBLISH", channel, cjson.encode({base, server, "dead"}))
end
local words = cjson.encode(answer)
redis.call("HSET", KEYS[6], "reap", token, "reaped", words)
redis.call("EXPIRE", KEYS[6], ttl)
return words`,
};

/** KEYS: own, servers, revs, last. ARGV: server, channel, base. Nothing is left of a server that has nobody in the set. */
export const part: Script = {
  name: "presence.part",
  keys: 4,
  lua: `
if redis.call("SCARD", KEYS[1]) > 0 then return 0 end
redis.call("ZREM", KEYS[2], ARGV[1])
redis.call("HDEL", KEYS[3], ARGV[1])
redis.call("DEL", KEYS[4])
redis.call("PUBLISH", ARGV[2], cjson.encode({ARGV[3], ARGV[1], "part"}))
return 1`,
};

/** KEYS: servers. ARGV: server. */
export const leave: Script = {
  name: "presence.leave",
  keys: 1,
  lua: `return redis.call("ZADD", KEYS[1], "XX", 1, ARGV[1])`,
};
