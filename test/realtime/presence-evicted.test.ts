import { afterAll, beforeAll, expect, it } from "vitest";
import { createCalls } from "../../src/realtime/presence/calls.ts";
import { keysOf } from "../../src/realtime/presence/keys.ts";
import { createLeasedSet } from "../../src/realtime/presence/leased-set.ts";
import { applyChanges } from "../../src/realtime/presence/scripts.ts";
import type { Link } from "../../src/realtime/presence/types.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

let redis: RedisServer;
let opened: OpenedDoor;
let serial = 0;

beforeAll(async () => {
  redis = await startRedisServer();
  opened = openDoor({ REDIS_URL: redis.url, ...patient });
  await opened.is("up");
});
afterAll(async () => {
  await opened?.close();
  await redis?.close();
});

const unhurried = { leaseMs: 60_000, beatMs: 20_000, graceMs: 20_000 };
const sorted = (list: Iterable<string>) => [...list].sort();

/** A server that beats only when the test says so, and hears of nothing in between. */
function startServer(base: string, me: string, times = unhurried) {
  const told: string[] = [];
  let asked = 0;
  const link: Link = {
    ...{ me, shared: true, channel: "updates:presence", times },
    up: () => true,
    upSince: () => Number.NEGATIVE_INFINITY,
    certain: () => false,
    async run<T>(...[script, keys, args]: Parameters<Link["run"]>) {
      if (script === applyChanges) asked += 1;
      const answer = await opened.door.script<T>(script, keys, args);
      return answer.ok ? answer.value : undefined;
    },
    tally: { asserted: 0, reaped: 0 },
  };
  const set = createLeasedSet(base, link, {
    ...{ guess: true, profiled: true, ttlSeconds: 120 },
    onReaped: (gone) => void told.push(...gone.map(({ member, profile }) => `${member} is ${profile}`)),
  });
  return {
    set,
    told,
    link,
    asked: () => asked,
    add: (member: string) => set.add(member, member.toUpperCase()),
    remove: (member: string) => set.remove(member, () => void told.push(member)),
    beat: (impatient = false) => set.settle(impatient),
    names: () => sorted([...set.others()].map(([member, profile]) => `${member} is ${profile}`)),
  };
}

/** Ann is at the first, bob at the second, eve at both; each knows it of the other. */
async function startTwo(times?: typeof unhurried) {
  serial += 1;
  const base = `cache:channel:users:room-${serial}`;
  const [one, two] = [startServer(base, "one", times), startServer(base, "two", times)];
  for (const [server, member] of [
    [one, "ann"],
    [one, "eve"],
    [two, "bob"],
    [two, "eve"],
  ] as const)
    await server.add(member);
  for (const { beat } of [one, two, one]) await beat();
  expect([one.names(), two.names()]).toEqual([
    ["bob is BOB", "eve is EVE"],
    ["ann is ANN", "eve is EVE"],
  ]);
  const { shared, servers, revs, profiles, own, last } = keysOf(base);
  const keys = { shared, servers, revs, profiles, own: own("one"), last: last("one") };
  const all = async () => sorted((await redis.ask("SMEMBERS", shared)) as string[]);
  const named = async () => sorted((await redis.ask("HKEYS", profiles)) as string[]);
  const twos = () => redis.ask("SMEMBERS", own("two")) as Promise<string[]>;
  const evict = (key: keyof typeof keys) => redis.ask("DEL", keys[key]);
  return { base, one, two, all, named, twos, evict, keys };
}

const each = ["shared", "servers", "revs", "profiles", "own", "last"] as const;

it.each(each)("all is there again after the next beats when Redis has evicted: %s", async (key) => {
  for (const [first, second] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const { one, two, all, named, evict, keys } = await startTwo();
    await evict(key);
    const inTurn = [one, two];
    for (const at of [first, second, first]) await inTurn[at]?.beat();
    expect(await redis.ask("EXISTS", keys[key])).toBe(1);
    expect(await all()).toEqual(["ann", "bob", "eve"]);
    expect(await named()).toEqual(["ann", "bob", "eve"]);
    expect(one.names()).toEqual(["bob is BOB", "eve is EVE"]);
    expect([...one.told, ...two.told]).toEqual([]);
  }
});

it.each(each)(
  "who leaves one of two servers is told to be gone once they left both, after eviction of: %s",
  async (key) => {
    const { one, two, all, named, twos, evict } = await startTwo();
    await evict(key);
    two.remove("eve");
    await two.beat();
    await one.beat();
    await until(async () => {
      await two.beat();
      return (await twos()).join() === "bob";
    });
    expect(await all()).toEqual(["ann", "bob", "eve"]);
    expect(await named()).toEqual(["ann", "bob", "eve"]);
    expect([...one.told, ...two.told]).toEqual([]);
    await evict(key);
    two.remove("bob");
    one.remove("eve");
    await until(
      async () => {
        for (const { beat } of [two, one]) await beat();
        return one.told.length + two.told.length >= 2;
      },
      { describe: () => ["told", one.told, two.told] },
    );
    for (const { beat } of [two, one]) await beat();
    expect([one.told, two.told]).toEqual([["eve"], ["bob"]]);
    expect(await all()).toEqual(["ann"]);
    expect(await named()).toEqual(["ann"]);
  },
);

it.each(each)(
  "who was at one server alone has not come when they come to another, after eviction of: %s",
  async (key) => {
    const { one, two, all, evict } = await startTwo();
    await evict(key);
    expect(await two.add("ann")).toBe(false);
    for (const { beat } of [two, one]) await beat();
    expect(await all()).toEqual(["ann", "bob", "eve"]);
  },
);

it.each(each)("those of a server that is gone are told of by name, after eviction of: %s", async (key) => {
  const { one, two, all, evict } = await startTwo({ leaseMs: 400, beatMs: 150, graceMs: 150 });
  await evict(key);
  await until(
    async () => {
      await two.beat();
      return two.told.length > 0;
    },
    { describe: () => two.told },
  );
  expect(two.told).toEqual(["ann is ANN"]);
  expect(one.told).toEqual([]);
  expect(await all()).toEqual(["bob", "eve"]);
});

it("nobody is without a name for a server that comes after the names were evicted", async () => {
  const { base, one, two, evict } = await startTwo();
  await evict("profiles");
  const late = startServer(base, "late");
  await late.add("joe");
  await late.beat();
  await two.beat();
  expect(late.names()).toEqual([]);
  expect(two.names().slice(0, 2)).toEqual(["ann is ANN", "eve is EVE"]);
  await one.beat();
  await late.beat();
  expect(new Set(late.names())).toEqual(new Set(["ann is ANN", "bob is BOB", "eve is EVE"]));
});

it("a leave that nobody can decide yet is no change, however often it is asked about", async () => {
  const { one, two, evict, keys } = await startTwo();
  const rev = () => redis.ask("HGET", keys.revs, "two");
  const before = await rev();
  await evict("own");
  two.remove("bob");
  const asked = two.asked();
  await until(async () => {
    await two.beat();
    return two.asked() >= asked + 3;
  });
  expect(await rev()).toBe(before);
  expect(two.told).toEqual([]);
  await one.beat();
  await until(async () => {
    await two.beat();
    return two.told.length > 0;
  });
  expect(two.told).toEqual(["bob"]);
  expect(await rev()).toBe(String(Number(before) + 1));
});

it("a leave that nobody can decide is told once the server that could is dead", async () => {
  const { two, twos, all, evict } = await startTwo({ leaseMs: 1_500, beatMs: 500, graceMs: 500 });
  await evict("own");
  two.remove("bob");
  await two.beat();
  expect(sorted(await twos())).toEqual(["bob", "eve"]);
  expect(two.told).toEqual([]);
  await until(
    async () => {
      await two.beat();
      return two.told.length >= 2;
    },
    { describe: () => two.told },
  );
  expect(sorted(two.told)).toEqual(["ann is ANN", "bob"]);
  expect(await all()).toEqual(["eve"]);
});

it("a server that counts nobody is not counted by those who restore what it had", async () => {
  const { base, two, twos, evict, keys } = await startTwo();
  for (const key of ["own", "last", "revs"] as const) await evict(key);
  const { link } = two;
  const calls = createCalls({
    ...{ base, ttlSeconds: 120, leaseMs: unhurried.leaseMs, profiled: true, run: link.run },
    ...{ me: link.me, channel: link.channel },
  });
  expect(await calls.restore("one", "", [["+", "ann", "ANN"]])).toBe("0");
  await redis.ask("SADD", keys.own, "joe");
  two.remove("bob");
  await until(async () => {
    await two.beat();
    return (await twos()).join() === "eve";
  });
  expect(two.told).toEqual(["bob"]);
});
