import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { slotOf } from "../../src/redis/slot.ts";
import type { Answer, Script } from "../../src/redis/types.ts";
import { adapterContract } from "../contract/adapter.ts";
import { type RedisCluster, startRedisCluster } from "../support/cluster.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { handles, noMoreThan } from "../support/handles.ts";
import { long } from "../support/long.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";

/** The promise is 2 s; the rest is for a busy machine. */
const BACK_WITHIN_MS = 2_000 + (long ? 1_000 : 3_000);

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.close());

const opened: OpenedDoor[] = [];
async function open(env: Record<string, string> = patient): Promise<OpenedDoor> {
  const one = openDoor({ REDIS_CLUSTER: cluster.address, ...env });
  opened.push(one);
  await one.is("up");
  return one;
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const value = <T>(answer: Answer<T>): T => {
  if (!answer.ok) throw new Error(`no answer: ${answer.reason} ${answer.error?.message}`);
  return answer.value;
};
const keys = Array.from({ length: 12 }, (_, n) => `cache:key:${n}`);
const setAll = (redis: Parameters<Parameters<OpenedDoor["door"]["call"]>[1]>[0]) =>
  Promise.all(keys.map((key, n) => redis.set(key, `${n}`, { EX: 600 })));

describe("over a cluster", () => {
  it("sends each command to the server of its key, and puts answers over several together", async () => {
    const { door } = await open();
    expect(new Set(keys.map((key) => Math.floor(slotOf(key) / 5_462))).size).toBe(3);
    expect(value(await door.call("set", setAll))).toHaveLength(12);
    const every = value(await door.call("get", (redis) => redis.mGet([...keys, "cache:nothing"])));
    expect(every).toEqual([...keys.map((_, n) => `${n}`), null]);
    expect(value(await door.call("exists", (redis) => redis.exists(keys)))).toBe(12);
    const found = new Set<string>();
    await door.call("scan", async (redis) => {
      let cursor = "0";
      do {
        const page = await redis.scan(cursor, { MATCH: "cache:key:*", COUNT: 100 });
        for (const key of page.keys) found.add(String(key));
        cursor = String(page.cursor);
      } while (cursor !== "0");
    });
    expect([...found].sort()).toEqual([...keys].sort());
    expect(value(await door.call("del", (redis) => redis.del(keys)))).toBe(12);
    expect(await door.health()).toMatchObject({ topology: "cluster", role: "master" });
  });

  it("runs scripts on the server of their keys, each of which learns them", async () => {
    const { door } = await open();
    const script: Script = { name: "count", keys: 2, lua: "return redis.call('incr', KEYS[1])" };
    for (const key of keys) expect(value(await door.script(script, [key, `{${key}}:side`], []))).toBe(1);
    expect(value(await door.call("del", (redis) => redis.del(keys)))).toBe(12);
  });

  it("publishes to and hears every server", async () => {
    const { door } = await open();
    const heard: string[] = [];
    const subscription = door.subscribe("updates:cluster", (message) => heard.push(message));
    await until(() => subscription.live);
    await Promise.all(cluster.servers.map((server, n) => server.ask("PUBLISH", "updates:cluster", `${n}`)));
    await until(() => heard.length === 6);
    expect(value(await door.call("count", (redis) => redis.pubSubNumSub("updates:cluster")))).toEqual({
      "updates:cluster": 1,
    });
  });

  it("carries the adapter of Socket.IO", () => adapterContract({ REDIS_CLUSTER: cluster.address }));

  it("follows a slot that moves, in the middle of it and afterwards, without an outage", async () => {
    const { door, path } = await open();
    const slot = slotOf("cache:moving");
    const there = `cache:there:{${"cache:moving"}}`;
    await door.call("set", (redis) => redis.set("cache:moving", "1"));
    const from = await cluster.masterOf(slot);
    const to = await cluster.masterOf((slot + 8_192) % 16_384);
    expect(to).not.toBe(from);
    const moving = await cluster.move(slot, to);
    // What is not here any more is asked for there (ASK); what is still here stays (no redirection).
    expect(value(await door.call("get", (redis) => redis.get("cache:moving")))).toBe("1");
    expect(value(await door.call("set", (redis) => redis.set(there, "2")))).toBe("OK");
    expect(value(await door.call("get", (redis) => redis.get(there)))).toBe("2");
    await moving.finish();
    expect(value(await door.call("get", (redis) => redis.get("cache:moving")))).toBe("1");
    expect(value(await door.call("get", (redis) => redis.get(there)))).toBe("2");
    expect(path()).toEqual(["up"]);
    await (await cluster.move(slot, from)).finish();
  });

  it("follows a planned failover within 2 s", { timeout: 60_000 }, async () => {
    const one = await open({});
    const told = one.signs.length;
    const former = await cluster.masterOf(0);
    await cluster.failover(0);
    const elapsed = stopwatch();
    await until(() => one.signs.length > told);
    await one.is("up");
    expect(elapsed()).toBeLessThan(BACK_WITHIN_MS);
    expect(one.signs.at(-1)).toMatchObject({ sameData: false });
    expect(value(await one.door.call("set", setAll))).toHaveLength(12);
    expect(await former.info("role")).toBe("slave");
    await cluster.settled();
  });

  it.each([
    ["killed", "SIGKILL"],
    ["frozen", "SIGSTOP"],
  ])(
    "serves no call late while a master is %s, and goes on within 2 s of the new one",
    { timeout: 60_000 },
    async (_, how) => {
      const one = await open({});
      const before = handles();
      const former = await cluster.masterOf(0);
      if (how === "SIGKILL") await former.kill();
      else former.freeze();
      await one.is("down");
      const elapsed = stopwatch();
      expect(await one.door.call("get", (redis) => redis.mGet(keys))).toMatchObject({ ok: false, reason: "down" });
      expect(elapsed()).toBeLessThan(50);
      await cluster.newMaster(0, former);
      const sinceNew = stopwatch();
      await one.is("up");
      expect(sinceNew()).toBeLessThan(BACK_WITHIN_MS);
      expect(value(await one.door.call("set", setAll))).toHaveLength(12);
      await noMoreThan(before, { Timeout: 3 });
      if (how === "SIGKILL") await former.start();
      else former.thaw();
      await cluster.settled();
      await until(async () => (await one.door.call("still", (redis) => redis.mGet(keys))).ok);
    },
  );

  it("notices that one of its masters was emptied", async () => {
    const one = await open();
    const told = one.signs.length;
    await (await cluster.masterOf(9_000)).ask("FLUSHALL");
    await until(() => one.signs.length > told);
    expect(one.signs.at(-1)).toMatchObject({ sameData: false });
    await one.is("up");
  });
});
