import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashShape } from "../../src/cache/shapes/hash.ts";
import { listShape } from "../../src/cache/shapes/list.ts";
import type { Element, Shape } from "../../src/cache/shapes/shape.ts";
import { zsetShape } from "../../src/cache/shapes/zset.ts";
import type { Answer, RedisDoor } from "../../src/redis/types.ts";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

let redis: RedisServer;
let opened: OpenedDoor;
const keys = (
  (n) => () =>
    `cache:race:${++n}`
)(0);
const lease = { epoch: 7, leaseMs: 60_000, ttlMs: 600_000 };

beforeAll(async () => {
  redis = await startRedisServer();
  opened = openDoor({ REDIS_URL: redis.url, REDIS_DEADLINE: "5s" });
  await opened.is("up");
});
afterAll(async () => {
  await opened?.close();
  await redis?.close();
});

function value<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(`Redis did not answer: ${answer.reason} ${answer.error?.message}`);
  return answer.value;
}

/** The same races, whatever the shape: an element is a number, and a later version of it. */
interface Kind {
  name: string;
  shape: (door?: RedisDoor) => Shape<never>;
  element: (n: number, version?: number) => Element;
  /** A list knows no versions: what is written once stays as it is. */
  versions: boolean;
}

const pad = (n: number) => `${n}`.padStart(6, "0");
const json = (n: number, version: number) =>
  JSON.stringify({ id: `e${n}`, at: pad(n), text: `v${version}`, rev: version });
const kinds: Kind[] = [
  {
    name: "hash",
    shape: (door = opened.door) => hashShape({ door, form: "t" }) as unknown as Shape<never>,
    element: (n, version = 0) => ({ id: `e${n}`, text: json(n, version) }),
    versions: true,
  },
  {
    name: "zset",
    shape: (door = opened.door) => zsetShape({ door, form: "t" }) as unknown as Shape<never>,
    element: (n, version = 0) => ({ id: `e${n}`, text: json(n, version), rank: n }),
    versions: true,
  },
  {
    name: "list",
    shape: (door = opened.door) => listShape({ door, form: "t", orderedBy: "at", limit: 5 }),
    element: (n, version = 0) => ({ id: `e${n}`, text: json(n, version), rank: pad(n) }),
    versions: false,
  },
];

describe.each(kinds)("a $name", ({ name, shape: made, element, versions }) => {
  const begin = async (key: string, token: string) => value(await made().begin(key, token, lease.epoch, lease.leaseMs));
  const fill = async (key: string, token: string, ...ns: Element[]) =>
    value(await made().fill(key, { token, ...lease }, ns));
  const push = async (key: string, ...ns: Element[]) => value(await made().push(key, ns));
  const read = async (key: string, epoch = lease.epoch) => {
    const found = value(await made().read(key, epoch, undefined));
    return found.state === "complete"
      ? found.elements.map(({ text }) => JSON.parse(text).text + JSON.parse(text).id).sort()
      : found.state;
  };

  it("is filled by one at a time, and by the next when the lease is over", async () => {
    const key = keys();
    expect(await read(key)).toBe("missing");
    expect(await begin(key, "one")).toBe("begun");
    expect(await begin(key, "two")).toBe("filling");
    expect(await read(key)).toBe("filling");
    for (const part of made().keys(key)) await redis.ask("PEXPIRE", part, 1);
    await until(async () => (await begin(key, "two")) === "begun");
    expect(await fill(key, "one", element(1))).toEqual({ lost: true });
    expect(await fill(key, "two", element(2))).toMatchObject({ lost: false });
    expect(await read(key)).toEqual(["v0e2"]);
    expect(await begin(key, "three")).toBe("complete");
  });

  it("that is empty is not missing", async () => {
    const key = keys();
    await begin(key, "one");
    await fill(key, "one");
    expect(await read(key)).toEqual([]);
  });

  it("keeps what is written between the snapshot of a fill and its end", async () => {
    const key = keys();
    await begin(key, "one");
    expect(await push(key, element(3))).toMatchObject({ result: "changed" });
    expect(await fill(key, "one", element(1), element(2))).toEqual({ lost: false, version: undefined });
    expect(await read(key)).toEqual(["v0e1", "v0e2", "v0e3"]);
  });

  it.runIf(versions)("keeps the newer of two images, whichever comes first", async () => {
    const key = keys();
    await begin(key, "one");
    await push(key, element(1, 5));
    await fill(key, "one", element(1, 4), element(2, 4));
    expect(await read(key)).toEqual(["v4e2", "v5e1"]);
    expect(await push(key, element(1, 3))).toMatchObject({ result: "same" });
    expect(await push(key, element(1, 6))).toMatchObject({ result: "changed" });
    expect(await read(key)).toEqual(["v4e2", "v6e1"]);
  });

  it.runIf(versions)("filled in steps is not the filler's alone when somebody has written in between", async () => {
    const key = keys();
    let steps = 0;
    const door: RedisDoor = Object.assign(Object.create(opened.door), {
      async script(...call: Parameters<RedisDoor["script"]>) {
        const answer = await opened.door.script(...call);
        if (call[0].name.endsWith(".put") && ++steps === 1) await push(key, element(1, 5));
        return answer;
      },
    });
    await begin(key, "one");
    const snapshot = Array.from({ length: 1_000 }, (_, n) => element(n));
    const filled = value(await made(door).fill(key, { token: "one", ...lease }, snapshot));
    expect(steps).toBeGreaterThan(1);
    expect(filled).toEqual({ lost: false, version: undefined });
    expect(await read(key)).toContain("v5e1");
    expect(await begin(key, "two")).toBe("complete");
  });

  it.runIf(name !== "zset")(
    "of two images of one version keeps the snapshot's: a push may have come late",
    async () => {
      const image = (text: string) => ({ ...element(1), text: JSON.stringify({ id: "e1", at: pad(1), text, rev: 0 }) });
      const key = keys();
      await begin(key, "one");
      await push(key, image("before"), element(2));
      expect(await fill(key, "one", image("after"))).toEqual({ lost: false, version: undefined });
      expect(await read(key)).toEqual(["aftere1", "v0e2"]);
      expect(await push(key, image("before"))).toMatchObject({ result: "same" });
      expect(await read(key)).toEqual(["aftere1", "v0e2"]);
    },
  );

  it("is not made by a write, nor by a fill whose key has gone", async () => {
    const key = keys();
    expect(await push(key, element(1))).toMatchObject({ result: "missing" });
    expect(await read(key)).toBe("missing");
    await begin(key, "one");
    for (const part of made().keys(key)) await redis.ask("DEL", part);
    expect(await push(key, element(2))).toMatchObject({ result: "missing" });
    expect(await fill(key, "one", element(1))).toEqual({ lost: true });
    expect(await read(key)).toBe("missing");
  });

  it("is not ended by a fill that another has followed", async () => {
    const key = keys();
    await begin(key, "one");
    for (const part of made().keys(key)) await redis.ask("DEL", part);
    await begin(key, "two");
    expect(await fill(key, "one", element(1))).toEqual({ lost: true });
    await push(key, element(3));
    await fill(key, "two", element(2));
    expect(await read(key)).toEqual(["v0e2", "v0e3"]);
  });

  it("of an older epoch is missing, and filled anew", async () => {
    const key = keys();
    await begin(key, "one");
    await fill(key, "one", element(1));
    expect(await read(key, 8)).toBe("missing");
    expect(value(await made().begin(key, "two", 8, lease.leaseMs))).toBe("begun");
    expect(await read(key)).toBe("filling");
  });

  it("lives no longer for what is written to it, and has another version then", async () => {
    const key = keys();
    await begin(key, "one");
    await fill(key, "one", element(1));
    const before = value(await made().stamp(key, lease.epoch));
    for (const part of made().keys(key)) await redis.ask("PEXPIRE", part, 50_000);
    await push(key, element(2));
    const after = value(await made().stamp(key, lease.epoch));
    expect(after?.ttlMs).toBeLessThanOrEqual(50_000);
    expect(after?.version).not.toBe(before?.version);
    const { version } = value(await made().read(key, lease.epoch, undefined)) as { version?: string };
    expect(version).toBe(after?.version);
    await push(key, element(2));
    expect(value(await made().stamp(key, lease.epoch))?.version).toBe(version);
  });

  it("replaces a key of another type at the next fill", async () => {
    const key = keys();
    await redis.ask("SET", key, "something else");
    expect(await read(key)).toBe("missing");
    expect(await begin(key, "one")).toBe("begun");
    await fill(key, "one", element(1));
    expect(await read(key)).toEqual(["v0e1"]);
  });

  it("is believed whole or not at all when one of its keys is gone", async () => {
    for (const gone of [0, 1]) {
      const key = keys();
      const part = made().keys(key)[gone];
      if (part === undefined) continue;
      await begin(key, "one");
      await fill(key, "one", element(1), element(2));
      await redis.ask("DEL", part);
      expect(await push(key, element(3))).toMatchObject({ result: "missing" });
      expect(await read(key)).toBe("missing");
      expect(value(await made().stamp(key, lease.epoch))).toBeUndefined();
      expect(await begin(key, "two")).toBe("begun");
    }
  });
});

describe("a list", () => {
  const list = (limit: number) => listShape({ door: opened.door, form: "t", orderedBy: "at", limit });
  const element = (n: number): Element => ({ id: `e${n}`, text: json(n, 0), rank: pad(n) });
  const order = async (key: string, limit: number) => {
    const found = value(await list(limit).read(key, lease.epoch, undefined));
    return found.state === "complete" ? found.elements.map(({ text }) => Number(JSON.parse(text).at)) : found.state;
  };

  it("puts each in its place, holds no more than its limit, and takes nothing older when it is full", async () => {
    const key = keys();
    value(await list(5).begin(key, "one", lease.epoch, lease.leaseMs));
    value(await list(5).fill(key, { token: "one", ...lease }, [30, 10].map(element)));
    for (const n of [20, 50, 40, 20, 60, 15, 35, 5]) value(await list(5).push(key, [element(n)]));
    expect(await order(key, 5)).toEqual([60, 50, 40, 35, 30]);
    value(await list(5).push(key, [45, 70, 1].map(element)));
    expect(await order(key, 5)).toEqual([70, 60, 50, 45, 40]);
  });

  it("of another limit is another thing", async () => {
    const key = keys();
    value(await list(5).begin(key, "one", lease.epoch, lease.leaseMs));
    value(await list(5).fill(key, { token: "one", ...lease }, [element(1)]));
    expect(await order(key, 50)).toBe("missing");
  });
});

it("ten thousand in a zset go and come a thousand at a time, in order of activity", async () => {
  const shape = zsetShape({ door: opened.door, form: "t", unseen: "at" });
  const key = keys();
  const all = Array.from({ length: 10_000 }, (_, n) => ({ id: `e${pad(n)}`, text: json(n, 1), rank: n % 7 }));
  value(await shape.begin(key, "one", lease.epoch, lease.leaseMs));
  await redis.ask("CONFIG", "RESETSTAT");
  value(await shape.fill(key, { token: "one", ...lease }, all));
  const found = value(await shape.read(key, lease.epoch, undefined));
  expect(found.state === "complete" && found.elements.length).toBe(10_000);
  const expected = [...all].sort((a, b) => b.rank - a.rank || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
  const paged: string[] = [];
  for (let after: { score: number; id: string } | undefined; paged.length < 3_000; ) {
    const page = value(await shape.read(key, lease.epoch, { count: 500, ...(after ? { after } : {}) }));
    if (page.state !== "complete") throw new Error(page.state);
    paged.push(...page.elements.map(({ id }) => id));
    after = { score: all.find(({ id }) => id === paged.at(-1))?.rank ?? 0, id: paged.at(-1) ?? "" };
  }
  expect(paged).toEqual(expected.slice(0, 3_000));
  for (const part of shape.keys(key))
    expect(Number(await redis.ask("MEMORY", "USAGE", part))).toBeLessThan(4 * 1_048_576);
});
