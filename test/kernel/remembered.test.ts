import { expect, it } from "vitest";
import { createRemembered, type RememberedOptions } from "../../src/kernel/remembered.ts";

interface Thing {
  is: string;
}

/** What the store has, how often it was asked, and whether its changes are heard of. */
function world(more: Partial<RememberedOptions<Thing>> = {}) {
  const state = { thing: { is: "old" } as Thing | null, asked: 0, heard: true, time: 0, during: () => {} };
  const options = { heard: () => state.heard, now: () => state.time, longestMs: 100, most: 3 };
  const remembered = createRemembered<Thing>({ ...options, ...more });
  const look = async () => {
    state.asked += 1;
    const { thing } = state;
    state.during();
    return thing;
  };
  return { state, remembered, find: (key = "a") => remembered.find(key, look), look };
}

it("asks once, until something has changed, may have been missed, or the time is over", async () => {
  const { state, remembered, find } = world();
  for (let n = 0; n < 5; n += 1) expect(await find()).toEqual({ is: "old" });
  expect(state.asked).toBe(1);
  state.thing = { is: "new" };
  remembered.forget("b");
  expect(await find()).toEqual({ is: "old" });
  remembered.forget("a");
  expect(await find()).toEqual({ is: "new" });
  state.thing = { is: "newer" };
  remembered.clear();
  expect(await find()).toEqual({ is: "newer" });
  state.thing = { is: "newest" };
  state.time = 99;
  expect(await find()).toEqual({ is: "newer" });
  state.time = 100;
  expect(await find()).toEqual({ is: "newest" });
});

it("does not keep that there is nothing, and drops what is gone", async () => {
  const { state, remembered, find, look } = world();
  await find();
  state.thing = null;
  expect(await remembered.look("a", look)).toBeNull();
  expect(await find()).toBeNull();
  state.thing = { is: "back" };
  expect(await find()).toEqual({ is: "back" });
});

it.each(["forget", "clear"] as const)("does not keep what was looked up while it changed (%s)", async (how) => {
  const { state, remembered, find } = world();
  state.during = () => {
    state.thing = { is: "new" };
    remembered[how]("a");
    state.during = () => {};
  };
  expect(await find()).toEqual({ is: "old" });
  expect(await find()).toEqual({ is: "new" });
});

it("gives whoever asks after a change no answer to a question from before it", async () => {
  const { state, remembered } = world();
  let answer = (_thing: Thing) => {};
  const first = remembered.find("a", () => new Promise<Thing>((resolve) => (answer = resolve)));
  const shared = remembered.find("a", async () => ({ is: "not asked" }));
  remembered.forget("a");
  const later = remembered.find("a", async () => ({ is: "new" }));
  answer({ is: "old" });
  expect(await Promise.all([first, shared, later])).toEqual([{ is: "old" }, { is: "old" }, { is: "new" }]);
  state.time = 1;
  expect(remembered.get("a")).toEqual({ is: "new" });
});

it("asks each time while changes are not heard of, and keeps nothing of it for when they are", async () => {
  const { state, remembered, find } = world();
  state.heard = false;
  await find();
  await find();
  expect(state.asked).toBe(2);
  state.during = () => {
    state.heard = true;
  };
  await find();
  expect(remembered.get("a")).toBeUndefined();
  await find();
  state.heard = false;
  expect(remembered.get("a")).toBeUndefined();
});

it("may keep it for a moment although no change is heard of, and no longer when they are", async () => {
  const { state, remembered, find } = world({ unheardMs: 10 });
  state.heard = false;
  await find();
  state.time = 9;
  expect(await find()).toEqual({ is: "old" });
  expect(state.asked).toBe(1);
  state.heard = true;
  state.time = 10;
  expect(remembered.get("a")).toBeUndefined();
  await find();
  state.time = 50;
  expect(remembered.get("a")).toEqual({ is: "old" });
  state.heard = false;
  expect(remembered.get("a")).toBeUndefined();
});

it("forgets by name, what is true for a time only after it, and the oldest of too many", () => {
  const { state, remembered } = world({ namesOf: ({ is }) => [is, "all"], trueForMs: ({ is }) => is.length });
  const keep = (key: string, is: string) => remembered.keep(key, { is }, remembered.mark());
  keep("a", "one");
  keep("b", "one");
  keep("c", "three");
  remembered.forget("one");
  expect(["a", "b", "c"].map((key) => remembered.get(key)?.is)).toEqual([undefined, undefined, "three"]);
  state.time = 5;
  expect(remembered.get("c")).toBeUndefined();
  keep("d", "");
  expect(remembered.get("d")).toBeUndefined();
  for (const key of ["e", "f", "g", "h"]) keep(key, "eight");
  expect(["e", "f", "g", "h"].map((key) => remembered.get(key)?.is)).toEqual([undefined, "eight", "eight", "eight"]);
  remembered.forget("all");
  expect(["f", "g", "h"].map((key) => remembered.get(key))).toEqual([undefined, undefined, undefined]);
});
