import type { Script } from "../redis/types.ts";

/** KEYS[1] the copy, KEYS[2] the lease of whoever fills it. Whoever changes the copy takes the lease away. */

const mark = `
local function mark(key)
  local head = redis.call("GETRANGE", key, 0, 127)
  if head == "" then return nil, nil, 0 end
  local at = string.match(head, '^{"cookie":{"~":"()%d') or string.match(head, '^{"~":"()%d')
  if not at then return head, nil, 0 end
  return head, string.match(head, '^%d+[d ]%d+ ([^"]+)"', at), at
end
local function older(a, b)
  local x, y = tonumber(string.sub(a, 1, 13), 16), tonumber(string.sub(b, 1, 13), 16)
  if x and y and x ~= y then return x < y end
  return a < b
end
`;

const shorten = `
local function shorten(key, head, at, expiry, life)
  if at > 0 and expiry < string.sub(head, at, at + 12) then redis.call("SETRANGE", key, at - 1, expiry) end
  local left = redis.call("PTTL", key)
  if left == -2 or (left >= 0 and left <= life) then return 0 end
  if life <= 0 then return redis.call("DEL", key) end
  return redis.call("PEXPIRE", key, life)
end
`;

/** ARGV: the copy, its version, its life in ms, "1" when the session was born in this request. */
export const putCopy: Script = {
  name: "session.put",
  keys: 2,
  lua: `${mark}
redis.call("DEL", KEYS[2])
local head, version = mark(KEYS[1])
if not head and ARGV[4] ~= "1" then return "absent" end
if version and not older(version, ARGV[2]) then return "newer" end
if tonumber(ARGV[3]) <= 0 then redis.call("DEL", KEYS[1]) return "dead" end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[3])
return "put"`,
};

/** ARGV: the token of the lease, the copy, its life in ms. What somebody else's store wrote is left for the import. */
export const fillCopy: Script = {
  name: "session.fill",
  keys: 2,
  lua: `${mark}
if redis.call("GET", KEYS[2]) ~= ARGV[1] then return "late" end
redis.call("DEL", KEYS[2])
local head, version = mark(KEYS[1])
if head and not version then return "foreign" end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return "filled"`,
};

/** ARGV: the life in ms, the version that was read, MongoDB's expiry in 13 digits or "". */
export const touchCopy: Script = {
  name: "session.touch",
  keys: 2,
  lua: `${mark}${shorten}
local head, version, at = mark(KEYS[1])
if not head or ARGV[3] ~= "" then redis.call("DEL", KEYS[2]) end
if not version then return 0 end
if ARGV[2] ~= "" and older(ARGV[2], version) then
  if ARGV[3] ~= "" then shorten(KEYS[1], head, at, ARGV[3], tonumber(ARGV[1])) end
  return 1
end
if tonumber(ARGV[1]) <= 0 then redis.call("DEL", KEYS[1], KEYS[2]) return 1 end
if ARGV[3] ~= "" then redis.call("SETRANGE", KEYS[1], at - 1, ARGV[3]) end
redis.call("PEXPIRE", KEYS[1], ARGV[1])
return 1`,
};

/** ARGV: a version that MongoDB holds. A copy that has not come to it by now will not come to it any more. */
export const settleCopy: Script = {
  name: "session.settle",
  keys: 2,
  lua: `${mark}
redis.call("DEL", KEYS[2])
local head, version = mark(KEYS[1])
if not version or not older(version, ARGV[1]) then return 0 end
return redis.call("DEL", KEYS[1])`,
};

/** ARGV: the most that is left of its life, in ms; MongoDB's expiry in 13 digits. */
export const shortenCopy: Script = {
  name: "session.shorten",
  keys: 2,
  lua: `${mark}${shorten}
redis.call("DEL", KEYS[2])
local head, version, at = mark(KEYS[1])
return shorten(KEYS[1], head or "", at, ARGV[2], tonumber(ARGV[1]))`,
};
