import { beforeEach, describe, expect, it } from "vitest";
import { createL1, type L1, type L1Space } from "../../src/cache/l1.ts";

interface Value {
  n: number;
}

let hearing = true;
let l1: L1;
let space: L1Space<Value>;

beforeEach(() => {
  hearing = true;
  l1 = createL1({ limitBytes: 1_000, believed: () => hearing });
  space = l1.space<Value>("values");
});

const loaded = (n: number, more: object = {}) => ({ value: { n }, bytes: 100, ttlMs: 60_000, ...more });
/** A load that ends when the test says so. */
function pending() {
  let end: (n: number) => void = () => {};
  const result = new Promise<number>((resolve) => {
    end = resolve;
  });
  return { end, load: async () => loaded(await result) };
}

describe("the memory of a process", () => {
  it("keeps what was loaded, by name of what it is", async () => {
    await space.load("a", async () => loaded(1));
    expect(space.get("a")).toEqual({ n: 1 });
    expect(l1.space("others").get("a")).toBeUndefined();
    expect(l1.stats()).toMatchObject({ entries: 1, bytes: 100, stored: 1 });
  });

  it("loads once for all who ask meanwhile", async () => {
    let loads = 0;
    const slow = pending();
    const loading = () => {
      loads += 1;
      return slow.load();
    };
    const all = Promise.all(Array.from({ length: 20 }, () => space.load("a", loading)));
    slow.end(7);
    expect((await all).map(({ n }) => n)).toEqual(new Array(20).fill(7));
    expect(loads).toBe(1);
  });

  it("shares nothing with whoever asks long after it began to be loaded: they get what was so when they asked", async () => {
    const slowly = createL1({ limitBytes: 1_000, believed: () => hearing, shared: -1 }).space<Value>("values");
    const old = pending();
    const first = slowly.load("a", old.load);
    let loads = 0;
    const loading = async () => {
      loads += 1;
      return loaded(2);
    };
    const later = [slowly.load("a", loading), slowly.load("a", loading)];
    await new Promise((resolve) => setImmediate(resolve));
    expect(loads).toBe(0);
    old.end(1);
    expect(await first).toEqual({ n: 1 });
    expect(await Promise.all(later)).toEqual([{ n: 2 }, { n: 2 }]);
    expect(loads).toBe(1);
  });

  it("does not keep what changed while it was loaded, nor share it with whoever asks afterwards", async () => {
    const old = pending();
    const first = space.load("a", old.load);
    await Promise.resolve();
    l1.drop("a");
    const second = space.load("a", async () => loaded(2));
    expect(await second).toEqual({ n: 2 });
    old.end(1);
    expect(await first).toEqual({ n: 1 });
    expect(space.get("a")).toEqual({ n: 2 });
    expect(l1.stats().spoiled).toBe(1);
  });

  it("does not keep what its source knows to have changed", async () => {
    await space.load("a", async () => loaded(1, { unchanged: () => false }));
    expect(space.get("a")).toBeUndefined();
  });

  it("keeps nothing for longer than it was given", async () => {
    await space.load("a", async () => loaded(1, { ttlMs: 0 }));
    expect(space.get("a")).toBeUndefined();
    await space.load("b", async () => loaded(1, { ttlMs: 20 }));
    await expect.poll(() => space.get("b")).toBeUndefined();
  });

  it("is neither used nor filled while changes are not heard, whenever that began", async () => {
    await space.load("a", async () => loaded(1));
    hearing = false;
    expect(space.get("a")).toBeUndefined();
    await space.load("b", async () => loaded(2));
    hearing = true;
    expect(space.get("b")).toBeUndefined();

    const begunDeaf = pending();
    hearing = false;
    const deaf = space.load("c", begunDeaf.load);
    hearing = true;
    begunDeaf.end(3);
    await deaf;
    expect(space.get("c")).toBeUndefined();
  });

  it("forgets everything, and what is on its way", async () => {
    await space.load("a", async () => loaded(1));
    const slow = pending();
    const loading = space.load("b", slow.load);
    await Promise.resolve();
    l1.clear();
    slow.end(2);
    await loading;
    expect([space.get("a"), space.get("b")]).toEqual([undefined, undefined]);
  });

  it("makes room by bytes, for what is used least", async () => {
    for (let n = 0; n < 10; n += 1) await space.load(String(n), async () => loaded(n));
    space.get("0");
    await space.load("10", async () => loaded(10));
    expect(l1.stats()).toMatchObject({ entries: 10, bytes: 1_000, evicted: 1 });
    expect([space.get("0"), space.get("1")]).toEqual([{ n: 0 }, undefined]);
    await space.load("huge", async () => loaded(99, { bytes: 5_000 }));
    expect(space.get("huge")).toBeUndefined();
  });

  it("can be off", async () => {
    const off = createL1({ limitBytes: 0, believed: () => true });
    const none = off.space<Value>("values");
    expect(await none.load("a", async () => loaded(1))).toEqual({ n: 1 });
    expect(none.get("a")).toBeUndefined();
    expect(off.stats()).toMatchObject({ entries: 0, limitBytes: 0 });
  });

  it("hands an error to all who wait, and tries again afterwards", async () => {
    const fails = async (): Promise<never> => {
      throw new Error("no");
    };
    const both = await Promise.allSettled([space.load("a", fails), space.load("a", fails)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await space.load("a", async () => loaded(1))).toEqual({ n: 1 });
  });
});
