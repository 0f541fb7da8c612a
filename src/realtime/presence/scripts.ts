import type { Script } from "../../redis/types.ts";
import { elsewhere } from "./elsewhere.ts";

/**
 * KEYS: shared, own, servers, revs, profiles, last. ARGV: server, rev, mode, epoch, token, ttl in s, lease in ms, Pub/Sub
 * channel, base, and what the names of `own` and `last` begin with, then sign, member and profile of each. Answers a digit for
 * each: 1 when it was the first, or the last, to have it; 2 when nobody can say, and it was left in. Done once for a token,
 * however often it is sent; not at all, but answered by "assert", when the server has come back since (a command may lie in a
 * frozen Redis for long). `next`: only as the change after the one before; no change when all were left in. `some`, `force`:
 * whatever was before; the others are told of the last. `restore`: on behalf of a server whose rev is the token; it may be of a
 * release that counts nobody, so its count is put right only where it has one.
 */
export const applyChanges: Script = {
  name: "presence.apply",
  keys: 6,
  lua: `${elsewhere}
local server, rev, mode, epoch, token, ttl, lease, channel, base, owns, lasts = unpack(ARGV, 1, 11)
local had = redis.call("HGET", KEYS[4], server)
if mode == "restore" then
  if had ~= rev and (had or "") ~= token then return "known" end
else
  local last = redis.call("HMGET", KEYS[6], "epoch", "token", "answer")
  if (last[1] or "0") ~= epoch then return "assert" end
  if last[2] == token then return last[3] end
  if mode == "next" and tonumber(had or "0") ~= tonumber(rev) - 1 then return "assert" end
end
local flags, came, going, asked, places = {}, {}, {}, {}, {}
for i = 12, #ARGV, 3 do
  local n, member, profile = (i - 12) / 3 + 1, ARGV[i + 1], ARGV[i + 2]
  flags[n] = 0
  places[member] = n
  if ARGV[i] == "+" then
    redis.call("SADD", KEYS[2], member)
    if redis.call("SADD", KEYS[1], member) == 1 then
      flags[n] = 1
      asked[#asked + 1] = member
    end
    if profile ~= "" then redis.call("HSET", KEYS[5], member, profile) end
    came[#came + 1] = member
    came[#came + 1] = profile
  else
    going[#going + 1] = member
    asked[#asked + 1] = member
  end
end
local others = otherServers(KEYS[3], KEYS[4], server)
local held = heldBy(others, owns, asked)
local unknown = #going > 0 and somebodyUnknown(others, owns, lasts)
for member in pairs(held) do flags[places[member]] = 0 end
local went = {}
for _, member in ipairs(going) do
  if unknown and not held[member] then
    flags[places[member]] = 2
  else
    went[#went + 1] = member
    local mine = redis.call("SREM", KEYS[2], member)
    if not held[member] then
      flags[places[member]] = math.max(mine, redis.call("SREM", KEYS[1], member))
      redis.call("HDEL", KEYS[5], member)
    end
  end
end
local answer = table.concat(flags)
redis.call("ZADD", KEYS[3], text(now() + lease), server)
if mode ~= "restore" or redis.call("HEXISTS", KEYS[6], "count") == 1 then
  redis.call("HSET", KEYS[6], "count", redis.call("SCARD", KEYS[2]))
end
local news = mode ~= "next" or #came + #went > 0
if mode ~= "some" and news then redis.call("HSET", KEYS[4], server, rev) end
if mode ~= "restore" then redis.call("HSET", KEYS[6], "token", token, "answer", answer) end
if mode == "next" and news then
  redis.call("PUBLISH", channel, cjson.encode({base, server, rev, came, went}))
elseif mode == "force" then
  redis.call("PUBLISH", channel, cjson.encode({base, server, rev}))
end
for i = 1, 6 do redis.call("EXPIRE", KEYS[i], ttl) end
return answer`,
};

/**
 * KEYS as above. ARGV: server, ttl, lease, "1" when each member has a profile. Answers the time, its own rev, how many it has, 1
 * when its lease and its last call were there and all have what it has, and of each other server its name, score and rev. Whoever has no lease is
 * given one: should it be dead, it must run out.
 */
export const beat: Script = {
  name: "presence.beat",
  keys: 6,
  lua: `${elsewhere}
local server, ttl, lease, profiled = unpack(ARGV)
local time = now()
local ends = text(time + lease)
local rev = redis.call("HGET", KEYS[4], server) or ""
local mine = redis.call("ZSCORE", KEYS[3], server)
if not mine or tonumber(mine) > 2 then redis.call("ZADD", KEYS[3], ends, server) end
for _, one in ipairs(redis.call("HKEYS", KEYS[4])) do redis.call("ZADD", KEYS[3], "NX", ends, one) end
redis.call("ZREMRANGEBYSCORE", KEYS[3], text(3600000 - time), "(0")
for i = 1, 6 do redis.call("EXPIRE", KEYS[i], ttl) end
local function whole()
  if rev ~= "" and (not mine or redis.call("HEXISTS", KEYS[6], "count") == 0) then return 0 end
  if #redis.call("SDIFF", KEYS[2], KEYS[1]) > 0 then return 0 end
  if profiled ~= "1" or redis.call("HLEN", KEYS[5]) >= redis.call("SCARD", KEYS[1]) then return 1 end
  local members = redis.call("SMEMBERS", KEYS[2])
  for from = 1, #members, 1000 do
    local profiles = redis.call("HMGET", KEYS[5], unpack(members, from, math.min(from + 999, #members)))
    for _, profile in ipairs(profiles) do if not profile then return 0 end end
  end
  return 1
end
local seen = {text(time), rev, redis.call("SCARD", KEYS[2]), whole()}
local servers = redis.call("ZRANGE", KEYS[3], 0, -1, "WITHSCORES")
for i = 1, #servers, 2 do
  if servers[i] ~= server then
    seen[#seen + 1] = servers[i]
    seen[#seen + 1] = servers[i + 1]
    seen[#seen + 1] = redis.call("HGET", KEYS[4], servers[i]) or ""
  end
end
return seen`,
};

/**
 * KEYS: own, servers, revs, last. ARGV: server, lease, epoch, ttl. Takes the lease again, and nothing that was sent before is done
 * any more; answers the score and rev before, the last call that was done with its answer, and what the server has.
 */
export const comeBack: Script = {
  name: "presence.comeback",
  keys: 4,
  lua: `${elsewhere}
local last = redis.call("HMGET", KEYS[4], "token", "answer")
local seen = {redis.call("ZSCORE", KEYS[2], ARGV[1]) or "", redis.call("HGET", KEYS[3], ARGV[1]) or "", last[1] or "", last[2] or ""}
redis.call("HSET", KEYS[4], "epoch", ARGV[3])
redis.call("ZADD", KEYS[2], text(now() + ARGV[2]), ARGV[1])
redis.call("EXPIRE", KEYS[2], ARGV[4])
redis.call("EXPIRE", KEYS[4], ARGV[4])
for _, member in ipairs(redis.call("SMEMBERS", KEYS[1])) do seen[#seen + 1] = member end
return seen`,
};

/** KEYS: what a server has, revs, profiles. ARGV: server. Answers its rev, then member and profile of each. */
export const readServer: Script = {
  name: "presence.read",
  keys: 3,
  lua: `
local seen = {redis.call("HGET", KEYS[2], ARGV[1]) or ""}
local members = redis.call("SMEMBERS", KEYS[1])
for from = 1, #members, 1000 do
  local to = math.min(from + 999, #members)
  local profiles = redis.call("HMGET", KEYS[3], unpack(members, from, to))
  for i = from, to do
    seen[#seen + 1] = members[i]
    seen[#seen + 1] = profiles[i - from + 1] or ""
  end
end
return seen`,
};
