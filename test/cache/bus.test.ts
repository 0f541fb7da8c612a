import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type BusOptions, createBus } from "../../src/cache/bus.ts";
import type { BusEvents, CacheBus } from "../../src/cache/bus-types.ts";
import { updates } from "../../src/chat/hot/answers.ts";
import type { RedisDoor } from "../../src/redis/types.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

let server: RedisServer;
const opened: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  server = await startRedisServer();
});
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});
afterAll(() => server.close());

/** A busy machine must not be taken for somebody's silence. */
const calm = { silenceMs: 60_000 };

/** A bus over a connection of its own, and all that it told. */
async function instance(options: Partial<BusOptions> = {}, url = server.url) {
  const link: OpenedDoor = openDoor({ REDIS_URL: url, ...patient });
  opened.push(link);
  await link.is("up");
  const door: RedisDoor = link.door;
  const bus: CacheBus = createBus({ door, topics: updates, heartbeatMs: 50, silenceMs: 1_000, ...options });
  opened.push(bus);
  const news: BusEvents["news"][] = [];
  const missed: BusEvents["missed"][] = [];
  bus.events.on("news", (one) => news.push(one));
  bus.events.on("missed", (one) => missed.push(one));
  await until(() => bus.well, { describe: "the bus to be well" });
  return { bus, news, missed, door, reasons: () => missed.map(({ reason }) => reason) };
}

const meet = (...all: { bus: CacheBus }[]) =>
  until(() => all.every(({ bus }) => bus.well && bus.peers === all.length - 1));

describe("the bus", () => {
  it("tells the others what changed, and nobody what he said himself", async () => {
    const [one, two] = [await instance(), await instance()];
    await meet(one, two);
    one.bus.publish("updates:channels", { key: "channels:", version: "7" });
    one.bus.publish("updates:messages", { key: "messages:general" });
    await until(() => two.news.length === 2);
    const seen = two.news.map(({ topic, key, version }) => ({ topic, key, version }));
    expect(seen).toEqual([
      { topic: "updates:channels", key: "channels:", version: "7" },
      { topic: "updates:messages", key: "messages:general", version: undefined },
    ]);
    expect(one.news).toEqual([]);
    await until(() => one.bus.lagMs < 1_000);
  });

  it("sends keys and versions over the channels that operators know, and nothing else", async () => {
    const { bus, door } = await instance();
    const heard: string[] = [];
    const listening = door.subscribe("updates:users", (text) => heard.push(text));
    await until(() => listening.live);
    bus.publish("updates:users", { key: "users:", version: "3" });
    const message = await until(() => heard.find((text) => text.includes("users:")));
    expect(JSON.parse(message)).toEqual({ s: expect.any(String), n: 1, k: [["users:", "3"]] });
    await until(() => heard.some((text) => !text.includes("users:") && JSON.parse(text).n === 1));
    await listening.close();
  });

  it("makes one message of what changed at once", async () => {
    const [one, two] = [await instance(), await instance()];
    await meet(one, two);
    for (let n = 0; n < 700; n += 1)
      one.bus.publish("updates:users", { key: `members:${n % 600}`, version: String(n) });
    await until(() => two.news.length === 600);
    expect(two.news.find(({ key }) => key === "members:5")?.version).toBe("605");
    expect(two.reasons().filter((reason) => reason === "gap")).toEqual([]);
  });

  it("notices that a message is missing", async () => {
    const two = await instance(calm);
    const speak = (n: number, k?: string[][]) =>
      two.door.call("test", (redis) =>
        redis.publish("updates:users", JSON.stringify({ s: "other", n, ...(k && { k }) })),
      );
    await speak(0);
    await until(() => two.bus.peers === 1);
    await speak(1, [["users:"]]);
    await until(() => two.news.length === 1);
    expect(two.reasons()).toEqual([]);
    await speak(3, [["users:"]]);
    await until(() => two.news.length === 2);
    expect(two.reasons()).toEqual(["gap"]);
    await speak(3);
    await speak(4);
    await until(() => two.reasons().length === 2);
    expect(two.reasons()).toEqual(["gap", "gap"]);
  });

  it("takes an instance that it hears late for one that has said something before", async () => {
    const two = await instance(calm);
    await two.door.call("test", (redis) => redis.publish("updates:users", JSON.stringify({ s: "older", n: 12 })));
    await until(() => two.missed.length === 1);
    expect(two.reasons()).toEqual(["newcomer"]);
  });

  it("is not well while another one is silent, until that one is given up", async () => {
    const two = await instance();
    const silence = async () => {
      // A busy machine may have been silent itself until that one was given up.
      if (two.bus.peers === 0)
        await two.door.call("test", (redis) => redis.publish("updates:users", JSON.stringify({ s: "dying", n: 0 })));
      return two.reasons().includes("peer");
    };
    await until(silence, { describe: "the silence to be noticed" });
    await until(() => two.bus.well && two.bus.peers === 0, { describe: "the silent one to be given up" });
  });

  it("does not wait for who says good-bye", async () => {
    const [one, two] = [await instance(calm), await instance(calm)];
    await meet(one, two);
    await one.bus.close();
    await until(() => two.bus.peers === 0);
    expect(two.bus.well).toBe(true);
    expect(two.reasons().filter((reason) => reason !== "newcomer")).toEqual([]);
  });

  it("ignores what none of us wrote", async () => {
    const { bus, door, missed, news } = await instance(calm);
    for (const text of ["", "{", "null", '{"s":1,"n":2}', '{"s":"x","n":1.5}', '{"s":"x","n":1,"k":[1]}'])
      await door.call("test", (redis) => redis.publish("updates:users", text));
    bus.publish("updates:users", { key: "users:" });
    const listening = door.subscribe("updates:users", () => {});
    await until(() => listening.live);
    expect([missed, news, bus.peers, bus.well]).toEqual([[], [], 0, true]);
    await listening.close();
  });
});

describe("a bus without its Redis", () => {
  let proxy: TcpProxy;
  beforeAll(async () => {
    proxy = await startProxy(server.port);
  });
  afterAll(() => proxy.close());

  it("is not well, publishes into nothing without complaint, and is well again afterwards", async () => {
    const url = `redis://127.0.0.1:${proxy.port}`;
    const [one, two] = [await instance(), await instance({}, url)];
    await meet(one, two);
    proxy.set({ kind: "refuse" });
    proxy.reset();
    await until(() => !two.bus.well, { describe: "the loss to be noticed" });
    expect(two.reasons()).toContain("subscription");
    two.bus.publish("updates:users", { key: "users:" });
    one.bus.publish("updates:users", { key: "users:" });
    proxy.set({ kind: "none" });
    await meet(one, two);
    // What each of them said meanwhile is missed by the other, and both know it.
    await until(() => one.reasons().includes("gap") || one.reasons().filter((why) => why === "newcomer").length > 1);
  });

  it("is not well once nothing comes back, although the connection stands", async () => {
    const two = await instance({}, `redis://127.0.0.1:${proxy.port}`);
    proxy.set({ kind: "blackHole" });
    await until(() => !two.bus.well);
    expect(two.bus.lagMs).toBeGreaterThan(0);
    proxy.set({ kind: "none" });
    await until(() => two.bus.well, { timeoutMs: 15_000 });
  });
});
