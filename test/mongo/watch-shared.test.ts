import type { Collection } from "mongodb";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { type WatchCollection, type Watcher, type WatchOptions, watchCollection } from "../../src/mongo/watch.ts";
import { shareStreams } from "../../src/mongo/watch-shared.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { followed, idOf } from "../support/follow.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

interface Thing {
  _id: number;
}

const url = mongoUrl("watch-shared");
let mongo: MongoLink;
const open: Watcher[] = [];
beforeAll(async () => {
  mongo = await connectMongo({ url, timeoutMs: 10_000, poolSize: 5, log: createRecorder() });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((watcher) => watcher.close()));
});
afterAll(async () => {
  await mongo.close();
  await dropDatabase(url);
});

const things = (name: string) => mongo.db.collection<Thing>(name);
const insert = (collection: Collection<Thing>, ...ids: number[]) => collection.insertMany(ids.map((_id) => ({ _id })));

/** A busy machine must not make anybody late: all that is told is looked at. */
const unhurried = { behindMs: 10_000 };

/** One process: what shares there, and how many streams it has opened. */
function sharing(mostWaiting?: number) {
  const log = createRecorder();
  let streams = 0;
  const counted: WatchCollection = (options) => {
    streams += 1;
    return watchCollection({ ...unhurried, ...options });
  };
  const watch = shareStreams({ watch: counted, ...(mostWaiting && { mostWaiting }) });
  return {
    log,
    streams: () => streams,
    follow(collection: Collection<Thing>, more: Partial<WatchOptions<Thing>> = {}) {
      const follower = followed(watch, collection, log, { ...unhurried, ...more });
      open.push(follower.watcher);
      return follower;
    },
  };
}

/** Changes wait in it until it is opened. */
function gate() {
  let pass = () => {};
  const closed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { closed, pass: () => pass() };
}

function store(kept?: unknown) {
  const state = { kept, saves: 0 };
  const resume = {
    load: async () => state.kept,
    async save(token: unknown) {
      state.kept = token;
      state.saves += 1;
    },
  };
  return { state, resume };
}

it("one stream serves all who follow a collection in the same way, and each of them hears everything", async () => {
  const { follow, streams } = sharing();
  const pipeline = [{ $match: { operationType: "delete" } }];
  const [one, two] = [follow(things("all")), follow(things("all"))];
  const deletions = follow(things("all"), { pipeline });
  const elsewhere = follow(things("elsewhere"));
  expect(streams()).toBe(3);
  const all = [one, two, deletions, elsewhere];
  expect(all.map(({ watcher }) => watcher.live)).toEqual([false, false, false, false]);
  await until(() => all.every(({ watcher }) => watcher.live));
  await insert(things("all"), 1, 2, 3);
  await things("all").deleteOne({ _id: 2 });
  await until(() => one.seen.length === 4 && two.seen.length === 4 && deletions.seen.length === 1);
  expect([one.seen, two.seen, deletions.seen]).toEqual([[1, 2, 3, 2], [1, 2, 3, 2], [2]]);
  expect(all.map(({ states }) => states)).toEqual(Array(4).fill(["true: afresh"]));
});

it("who fails is brought its change again, and nobody else misses one or hears one twice", async () => {
  const { follow, log } = sharing();
  const tried: number[] = [];
  const failing = follow(things("fails"), {
    onChange(change) {
      tried.push(idOf(change));
      if (tried.length >= 2 && tried.length <= 4) throw new Error("not now");
    },
  });
  const other = follow(things("fails"));
  await until(() => failing.watcher.live && other.watcher.live);
  await insert(things("fails"), 1, 2, 3);
  await until(() => failing.states.includes("false: broken"));
  await until(() => other.seen.length === 3);
  await until(() => failing.watcher.live);
  expect(tried).toEqual([1, 2, 2, 2, 2, 3]);
  expect(failing.states).toEqual(["true: afresh", "false: broken", "true: resumed"]);
  expect(other.seen).toEqual([1, 2, 3]);
  expect(other.states).toEqual(["true: afresh"]);
  expect(log.said("warn", /could not be applied/)).toHaveLength(1);
});

it("who is slow is behind alone, and hears everything in order when it has caught up", async () => {
  const { follow } = sharing();
  const { closed, pass } = gate();
  const heard: number[] = [];
  const slow = follow(things("slow"), {
    behindMs: 1_000,
    async onChange(change) {
      await closed;
      heard.push(idOf(change));
    },
  });
  const other = follow(things("slow"));
  await until(() => slow.watcher.live && other.watcher.live);
  await insert(things("slow"), 1, 2);
  await until(() => slow.states.includes("false: behind"));
  expect(slow.watcher.live).toBe(false);
  expect(slow.watcher.lagMs).toBeGreaterThan(1_000);
  expect(other.seen).toEqual([1, 2]);
  expect(other.watcher.live).toBe(true);
  await insert(things("slow"), 3);
  await until(() => other.seen.length === 3);
  pass();
  await until(() => slow.states.at(-1) === "true: caught up");
  expect(heard).toEqual([1, 2, 3]);
});

it("who is too far behind says that it has lost something, begins afresh, and holds up nobody", async () => {
  const { follow } = sharing(5);
  const { closed, pass } = gate();
  const heard: number[] = [];
  const slow = follow(things("far"), {
    async onChange(change) {
      heard.push(idOf(change));
      await closed;
    },
  });
  const other = follow(things("far"));
  await until(() => slow.watcher.live && other.watcher.live);
  const many = Array.from({ length: 30 }, (_, n) => n);
  await insert(things("far"), ...many);
  await until(() => slow.states.includes("false: history lost"));
  await until(() => other.seen.length === 30);
  expect(slow.watcher.live).toBe(false);
  pass();
  await until(() => slow.watcher.live);
  expect(slow.states.at(-1)).toBe("true: afresh");
  await insert(things("far"), 100);
  await until(() => heard.includes(100) && other.seen.includes(100));
  expect(heard).toEqual([0, 100]);
  expect(other.seen).toEqual([...many, 100]);
});

it("who stores its place goes on there without a gap, and who does not hears nothing of before", async () => {
  const before = sharing();
  const [first, second] = [store(), store()];
  const early = before.follow(things("place"), { resume: first.resume });
  await until(() => early.watcher.live);
  await insert(things("place"), 1);
  await until(() => early.seen.length === 1);
  second.state.kept = await until(() => first.state.kept, { timeoutMs: 5_000 });
  await insert(things("place"), 2);
  await until(() => early.seen.length === 2);
  await early.watcher.close();
  await insert(things("place"), 3);

  const { follow, streams } = sharing();
  const [one, two, three] = [
    follow(things("place")),
    follow(things("place"), { resume: first.resume }),
    follow(things("place"), { resume: second.resume }),
  ];
  await until(() => [one, two, three].every(({ watcher }) => watcher.live));
  expect(streams()).toBe(1);
  // It begins where the last of them was: the other hears one again.
  expect([one.seen, two.seen, three.seen]).toEqual([[], [2, 3], [2, 3]]);
  expect([one, two, three].map(({ states }) => states)).toEqual([
    ["true: afresh"],
    ["true: resumed"],
    ["true: resumed"],
  ]);
  await insert(things("place"), 4);
  await until(() => [one, two, three].every(({ seen }) => seen.at(-1) === 4));
});

it("no place is stored before its changes have been applied", async () => {
  const { follow } = sharing();
  const [slow, quick] = [store(), store()];
  const { closed, pass } = gate();
  const held = follow(things("held"), { resume: slow.resume, onChange: () => closed });
  const other = follow(things("held"), { resume: quick.resume });
  await until(() => held.watcher.live && other.watcher.live);
  const saved = slow.state.saves;
  await insert(things("held"), 1);
  await until(() => other.seen.length === 1);
  const { saves } = quick.state;
  await until(() => quick.state.saves > saves, { timeoutMs: 5_000 });
  expect(slow.state.saves).toBe(saved);
  pass();
  await until(() => slow.state.saves > saved, { timeoutMs: 5_000 });
});

it("who comes later begins afresh at once, and the others notice nothing of it", async () => {
  const { follow, streams } = sharing();
  const one = follow(things("late"));
  await until(() => one.watcher.live);
  await insert(things("late"), 1);
  await until(() => one.seen.length === 1);
  const two = follow(things("late"));
  expect(two.watcher.live).toBe(false);
  expect(two.watcher.lagMs).toBe(Number.POSITIVE_INFINITY);
  await until(() => two.watcher.live);
  await insert(things("late"), 2);
  await until(() => two.seen.includes(2) && one.seen.includes(2));
  expect(two.states).toEqual(["true: afresh"]);
  expect(one.states).toEqual(["true: afresh"]);
  expect(one.seen).toEqual([1, 2]);
  expect(streams()).toBe(1);
});

it("a gap in the stream is told to all, to one that is just failing as well", async () => {
  const { follow } = sharing();
  let away = true;
  const failing = follow(things("gap"), {
    onChange(change) {
      if (away && idOf(change) === 1) throw new Error("not now");
    },
  });
  const other = follow(things("gap"));
  await until(() => failing.watcher.live && other.watcher.live);
  await insert(things("gap"), 1);
  await until(() => failing.states.includes("false: broken"));
  await things("gap").drop();
  await until(() => other.states.length === 3);
  expect(other.states).toEqual(["true: afresh", "false: history lost", "true: afresh"]);
  expect(failing.watcher.live).toBe(false);
  away = false;
  await until(() => failing.watcher.live);
  expect(failing.states.at(-1)).toBe("true: afresh");
});

it("who goes hears nothing more and stores nothing more; the last one ends the stream", async () => {
  const { follow, streams } = sharing();
  const { state, resume } = store();
  const one = follow(things("goes"), { resume });
  const two = follow(things("goes"));
  await until(() => one.watcher.live && two.watcher.live);
  await one.watcher.close();
  const { saves } = state;
  expect(one.states.at(-1)).toBe("false: closed");
  await insert(things("goes"), 1);
  await until(() => two.seen.length === 1);
  const since = performance.now();
  await until(() => performance.now() - since > 1_500);
  expect(one.seen).toEqual([]);
  expect(state.saves).toBe(saves);
  expect(two.watcher.live).toBe(true);
  await two.watcher.close();
  expect(two.watcher.reason).toBe("closed");
  const again = follow(things("goes"));
  expect(streams()).toBe(2);
  await until(() => again.watcher.live);
});
