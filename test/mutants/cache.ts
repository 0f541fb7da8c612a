import type { Mutant } from "./mutants.ts";

const suite = "test/cache/races.test.ts";
const chat = "test/cache/caches.test.ts";
const list = "src/cache/shapes/list.ts";
const zset = "src/cache/shapes/zset.ts";
const whispers = "test/cache/whispers.test.ts";

/** Deliberate bugs of the caches; the properties of caches must notice each. */
export const cacheMutants: Mutant[] = [
  {
    name: "a fill does not look whether its lease is still there",
    file: list,
    find: 'if state ~= "filling " .. ARGV[3] then return false end\n',
    replace: 'if not state then redis.call("RPUSH", KEYS[1], ARGV[4]) state = ARGV[4] end\n',
    suite,
  },
  {
    name: "what is written while a list is filled is not pushed",
    file: list,
    find: 'if not state then return { "missing" } end\n',
    replace: 'if not state or string.sub(state, 1, 8) == "filling " then return { "missing" } end\n',
    suite,
  },
  {
    name: "messages stand in the order of their arrival",
    file: list,
    find: "if other[field] < order or (other[field] == order and other.id < id) then place = index break end",
    replace: "place = 1 break",
    suite,
  },
  {
    name: "a fill replaces what was pushed meanwhile",
    file: list,
    find: "insert(field, limit, pushed, 1, state)\n",
    replace: "",
    suite,
  },
  {
    name: "one of the two keys of the users answers for both",
    file: zset,
    find: 'return token and redis.call("ZSCORE", KEYS[1], "@" .. token) and state',
    replace: "return token and state",
    suite,
  },
  {
    name: "an older image of a user replaces a newer one",
    file: zset,
    find: "if not old or rev(old) < rev(new) then",
    replace: "if true then",
    suite,
  },
  {
    name: "who asks later shares what was loaded before a write",
    file: "src/cache/fills.ts",
    find: 'if (!flying || outcome.kind !== "loaded") return outcome;',
    replace: "if (key) return outcome;",
    suite: chat,
  },
  {
    name: "a list that is longer than it may be is not trimmed",
    file: list,
    find: "if #all > limit then",
    replace: "if #all > limit + 2 then",
    suite,
  },
  {
    name: "what others write into MongoDB is not followed",
    file: "src/cache/follower.ts",
    find: "if (followed) await take(followed);",
    replace: "if (followed && known === undefined) await take(followed);",
    suite: chat,
  },
  {
    name: "a private message is stored without its mark",
    file: "src/chat/services/messages.ts",
    find: "entries: whispersOf(record) }",
    replace: "entries: [] }",
    suite: whispers,
  },
  {
    name: "who follows MongoDB takes no notice of private messages",
    file: "src/chat/caches/whispers.ts",
    find: 'return fullDocument.type === "private"',
    replace: "return fullDocument.type === undefined",
    suite: whispers,
  },
  {
    name: "the page that is one for all is given to who has private messages, too",
    file: "src/chat/hot/histories.ts",
    find: "return answer && noneOfTheirs && beginningKnown ?",
    replace: "return answer && beginningKnown ?",
    suite: whispers,
  },
  {
    name: "what was read before a change is taken for what Redis has now",
    file: list,
    find: 'if redis.call("LINDEX", KEYS[1], -1) == ARGV[1] then',
    replace: 'if ARGV[1] ~= "" then',
    suite: chat,
  },
  {
    name: "what is lowered past every server and then grows all the while is not looked at",
    file: "src/cache/follower.ts",
    find: "if (found === ahead) wrong = true;",
    replace: "if (found === undefined) wrong = true;",
    suite: chat,
  },
  {
    name: "what another instance was sooner with is taken for no news",
    file: "src/cache/writes.ts",
    find: 'if (unseen && freshness.class === "bounded")',
    replace: "if (unseen)",
    suite: "test/cache/past.test.ts",
  },
];
