import { afterAll, beforeAll, expect, it } from "vitest";
import { keysOf } from "../../src/realtime/presence/keys.ts";
import { createLeasedSet } from "../../src/realtime/presence/leased-set.ts";
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
  const link: Link = {
    ...{ me, shared: true, channel: "updates:presence", times },
    up: () => true,
    upSince: () => Number.NEGATIVE_INFINITY,
    certain: () => false,
    async run<T>(...[script, keys, args]: Parameters<Link["run"]>) {
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
