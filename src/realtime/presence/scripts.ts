import type { Script } from "../../redis/types.ts";

/**
 * A set that several servers share: the set itself, what each server put into it, the servers with their leases, the
 * number of each server's last change, and what is known of the members.
 *
 * Score of a server: the time its lease ends; 1 it is leaving; 2 it is being reaped; negative: it was reaped then.
 */
export interface SetKeys {
  readonly shared: string;
  readonly servers: string;
  readonly revs: string;
  readonly profiles: string;
  readonly prefix: string;
  own(server: string): string;
  last(server: string): string;
}

export function keysOf(base: string): SetKeys {
  const prefix = `{${base}}:srv:`;
  return {
    shared: base,
    servers: `{${base}}:servers`,
    revs: `{${base}}:revs`,
    profiles: `{${base}}:profiles`,
    prefix,
    own: (server) => prefix + server,
    last: (server) => `{${base}}:last:${server}`,
  };
}

export const score = { leaving: 1, reaping: 2 } as const;

const common = `
local function now()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format("%.0f", number) end
local function heldElsewhere(servers, prefix, server, members)
  local held = {}
  if #members == 0 then return held end
  for _, other in ipairs(redis.call("ZRANGE", servers, 0, -1)) do
    if other ~= server then
      local has = redis.call("SMISMEMBER", prefix .. other, unpack(members))
      for i, member in ipairs(members) do if has[i] == 1 then held[member] = true end end
    end
  end
  return held
end
`;

/**
 * KEYS: shared, own, servers, revs, profiles, last. ARGV: server, rev, mode, epoch, token, ttl in s, lease in ms, Pub/Sub
 * channel, base, prefix, then sign, member and profile of each. Answers a digit for each: 1 when it was the first, or the last,
 * to have it. Done once for a token, however often it is sent; not at all, but answered by "assert", when the server has come
 * back since (a command may lie in a frozen Redis for long). `next`: only as the change after the one before. `some`, `force`:
 * whatever was before; the others are told of the last. `restore`: on behalf of a server whose rev is the token.
 */
export const applyChanges: Script = {
  name: "presence.apply",
  keys: 6,
  lua: `${common}
local server, rev, mode, epoch, token, ttl, lease, channel, base, prefix = unpack(ARGV, 1, 10)
local had = redis.call("HGET", KEYS[4], server)
if mode == "restore" then
  if had ~= rev and (had or "") ~= token then return "known" end
else
  local last = redis.call("HMGET", KEYS[6], "epoch", "token", "answer")
  if (last[1] or "0") ~= epoch then return "assert" end
  if last[2] == token then return last[3] end
  if mode == "next" and tonumber(had or "0") ~= tonumber(rev) - 1 then return "assert" end
end
local flags, came, went, places = {}, {}, {}, {}
for i = 11, #ARGV, 3 do
  local n, member, profile = (i - 11) / 3 + 1, ARGV[i + 1], ARGV[i + 2]
  if ARGV[i] == "+" then
    redis.call("SADD", KEYS[2], member)
    flags[n] = redis.call("SADD", KEYS[1], member)
    if profile ~= "" then redis.call("HSET", KEYS[5], member, profile) end
    came[#came + 1] = member
    came[#came + 1] = profile
  else
    redis.call("SREM", KEYS[2], member)
    went[#went + 1] = member
    places[#went] = n
  end
end
local held = heldElsewhere(KEYS[3], prefix, server, went)
for i, member in ipairs(went) do
  flags[places[i]] = 0
  if not held[member] then
    flags[places[i]] = redis.call("SREM", KEYS[1], member)
    redis.call("HDEL", KEYS[5], member)
  end
end
local answer = table.concat(flags)
redis.call("ZADD", KEYS[3], text(now() + lease), server)
if mode ~= "some" then redis.call("HSET", KEYS[4], server, rev) end
if mode ~= "restore" then redis.call("HSET", KEYS[6], "token", token, "answer", answer) end
if mode == "next" then
  redis.call("PUBLISH", channel, cjson.encode({base, server, rev, came, went}))
elseif mode == "force" then
  redis.call("PUBLISH", channel, cjson.encode({base, server, rev}))
end
for i = 1, 6 do redis.call("EXPIRE", KEYS[i], ttl) end
return answer`,
};

/**
 * KEYS as above. ARGV: server, ttl, lease. Answers the time, its own rev, how many it has, how many all have, and of each other
 * server its name, score and rev.
 */
export const beat: Script = {
  name: "presence.beat",
  keys: 6,
  lua: `${common}
local server, ttl, lease = unpack(ARGV)
local time = now()
local mine = redis.call("ZSCORE", KEYS[3], server)
if not mine or tonumber(mine) > 2 then redis.call("ZADD", KEYS[3], text(time + lease), server) end
redis.call("ZREMRANGEBYSCORE", KEYS[3], text(3600000 - time), "(0")
for i = 1, 6 do redis.call("EXPIRE", KEYS[i], ttl) end
local rev = redis.call("HGET", KEYS[4], server) or ""
local seen = {text(time), rev, redis.call("SCARD", KEYS[2]), redis.call("SCARD", KEYS[1])}
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
  lua: `${common}
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

/**
 * KEYS: shared, what the dead server has, servers, revs, profiles, last. ARGV: dead server, its score as seen, token, ttl,
 * channel, base, prefix. Takes up to 1,000 away; answers JSON: the state, then member and profile of each that nobody else has.
 */
export const reapServer: Script = {
  name: "presence.reap",
  keys: 6,
  lua: `${common}
local server, seen, token, ttl, channel, base, prefix = unpack(ARGV)
local saved = redis.call("HMGET", KEYS[6], "reap", "reaped")
if saved[1] == token then return saved[2] end
local mark = redis.call("ZSCORE", KEYS[3], server)
if not mark or tonumber(mark) ~= tonumber(seen) then return '["alive"]' end
redis.call("ZADD", KEYS[3], 2, server)
redis.call("HDEL", KEYS[4], server)
local members = redis.call("SPOP", KEYS[2], 1000)
local held = heldElsewhere(KEYS[3], prefix, server, members)
local more = redis.call("SCARD", KEYS[2]) > 0
local answer = {more and "more" or "done"}
for _, member in ipairs(members) do
  if not held[member] then
    local profile = redis.call("HGET", KEYS[5], member) or ""
    redis.call("HDEL", KEYS[5], member)
    if redis.call("SREM", KEYS[1], member) == 1 then
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
