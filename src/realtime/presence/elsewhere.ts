/**
 * Lua that asks the other servers of a set. Who is one is known by its lease or by its number, whichever key is left. What one
 * has that beats is unknown while there are not as many as it said last.
 */
export const elsewhere = `
local function now()
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format("%.0f", number) end
local function otherServers(servers, revs, server)
  local scores, leases = {}, redis.call("ZRANGE", servers, 0, -1, "WITHSCORES")
  for _, other in ipairs(redis.call("HKEYS", revs)) do scores[other] = 0 end
  for i = 1, #leases, 2 do scores[leases[i]] = tonumber(leases[i + 1]) end
  scores[server] = nil
  return scores
end
local function somebodyUnknown(others, owns, lasts)
  local time = now()
  for other, score in pairs(others) do
    local count = score > time and redis.call("HGET", lasts .. other, "count")
    if count and tonumber(count) ~= redis.call("SCARD", owns .. other) then return true end
  end
  return false
end
local function heldBy(others, owns, members)
  local held = {}
  if #members == 0 then return held end
  for other in pairs(others) do
    local has = redis.call("SMISMEMBER", owns .. other, unpack(members))
    for i, member in ipairs(members) do if has[i] == 1 then held[member] = true end end
  end
  return held
end
`;
