import type { Db } from "mongodb";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../src/kernel/clock.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { createEpoch, type Epoch, type EpochTiming, raiseEpoch } from "../../src/mongo/epoch.ts";
import { createEpochLooks, epochsOf } from "../../src/mongo/epoch-looks.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("epochs");
const open: Epoch[] = [];
let mongo: MongoLink;
beforeAll(async () => {
  mongo = await connectMongo({ url, timeoutMs: 3_000, poolSize: 5, monitorCommands: true, log: createRecorder() });
});
beforeEach(() => epochsOf(mongo.db).deleteMany({}));
afterEach(async () => {
  await Promise.all(open.splice(0).map((epoch) => epoch.close()));
});
afterAll(async () => {
  await mongo.close();
  await dropDatabase(url);
});

const often: EpochTiming = { epochPoll: 20, epochTrust: 400, epochWait: 20_000, bumpEvery: 0, doubt: 50 };
/** Looks when it is told to, and once at its start. */
const never: EpochTiming = { ...often, epochPoll: 600_000 };

/** One process: its epochs, which look together, and what they were told in turn. */
function processOf(db: Db = mongo.db) {
  const looks = createEpochLooks(db);
  return (id: string, timing: EpochTiming) => {
    const seen: { epoch: number; bumped: boolean }[] = [];
    const epoch = createEpoch({
      ...{ db, id, looks, of: id, clock: systemClock, timing, log: createRecorder(), onDue: () => {} },
      ...{ wanted: () => true, useful: () => true },
      onChange: ({ epoch, bumped }) => seen.push({ epoch, bumped }),
    });
    open.push(epoch);
    return { epoch, seen };
  };
}

const raise = (id: string) => raiseEpoch(mongo.db, id, systemClock, "by an operator");

/** Answers of MongoDB that wait until they are let through, of the calls that `hold` names from then on. */
function holding(db: Db) {
  const held = new Map<string, { arrived: boolean; pass(): void; passed: Promise<void> }>();
  async function answer<T>(call: string, asked: Promise<T>): Promise<T> {
    const mine = held.get(call);
    const value = await asked;
    if (mine) {
      mine.arrived = true;
      await mine.passed;
    }
    return value;
  }
  const epochs = epochsOf(db);
  const slow = new Proxy(epochs, {
    get(_, key) {
      if (key === "find") return (filter: object) => ({ toArray: () => answer("look", epochs.find(filter).toArray()) });
      if (key === "updateOne")
        return (...given: Parameters<typeof epochs.updateOne>) => answer("raise", epochs.updateOne(...given));
      const value = Reflect.get(epochs, key);
      return typeof value === "function" ? value.bind(epochs) : value;
    },
  });
  return {
    db: { collection: () => slow } as unknown as Db,
    hold(call: "look" | "raise") {
      let pass = () => {};
      const passed = new Promise<void>((resolve) => {
        pass = resolve;
      });
      const one = { arrived: false, pass, passed };
      held.set(call, one);
      return {
        arrived: () => until(() => one.arrived),
        pass() {
          held.delete(call);
          pass();
        },
      };
    },
  };
}

it("asks MongoDB once for all the epochs of a process", async () => {
  const questions: string[][] = [];
  const note = ({
    commandName,
    command,
  }: {
    commandName: string;
    command: { filter?: { _id?: { $in: string[] } } };
  }) => {
    if (commandName === "find" && command.filter?._id) questions.push(command.filter._id.$in);
  };
  const add = processOf();
  const [one, two] = [add("one", often), add("two", often)];
  await until(() => one.epoch.value > 0 && two.epoch.value > 0);
  const since = performance.now();
  mongo.client.on("commandStarted", note);
  await until(() => questions.length >= 30).finally(() => mongo.client.off("commandStarted", note));
  expect(questions.length).toBeLessThanOrEqual((performance.now() - since) / often.epochPoll + 2);
  for (const ids of questions) expect(ids.sort()).toEqual(["one", "two"]);
  expect(one.epoch.fresh(performance.now()) && two.epoch.fresh(performance.now())).toBe(true);
});

it("tells each what was seen for it by the look of another, and nothing else", async () => {
  const add = processOf();
  const [one, two] = [add("one", often), add("two", never)];
  await until(() => one.epoch.value > 0 && two.epoch.value > 0);
  const before = one.epoch.value;
  const raised = await raise("two");
  await until(() => two.epoch.value === raised);
  expect(two.seen.at(-1)).toEqual({ epoch: raised, bumped: false });
  expect(one.epoch.value).toBe(before);
  await one.epoch.close();
  await two.epoch.refresh();
  expect(two.epoch.value).toBe(raised);
});

it("makes each epoch once, whoever finds first that there is none", async () => {
  const processes = Array.from({ length: 3 }, () => processOf());
  const all = processes.flatMap((add) => [add("one", never), add("two", never)]);
  await until(() => all.every(({ epoch }) => epoch.value > 0));
  await Promise.all(all.map(({ epoch }) => epoch.refresh()));
  expect(await epochsOf(mongo.db).countDocuments()).toBe(2);
  const made = (id: number) =>
    all.filter((_, at) => at % 2 === id).flatMap(({ seen }) => seen.filter((it) => it.bumped));
  expect([made(0).length, made(1).length]).toEqual([1, 1]);
});

it("does not go back to what a look had found before it was raised here", async () => {
  const slow = holding(mongo.db);
  const add = processOf(slow.db);
  const [one, two] = [add("one", never), add("two", never)];
  await until(() => one.epoch.value > 0 && two.epoch.value > 0);
  const before = one.epoch.value;
  const sent = slow.hold("raise");
  one.epoch.renew("a test", "now");
  await sent.arrived();
  const raised = await epochsOf(mongo.db).findOne({ _id: "one" });
  // As if this look had been answered before MongoDB had the other's number.
  await epochsOf(mongo.db).updateOne({ _id: "one" }, { $set: { value: before } });
  const look = slow.hold("look");
  const looked = two.epoch.refresh();
  await look.arrived();
  await epochsOf(mongo.db).updateOne({ _id: "one" }, { $set: { value: raised?.value ?? 0 } });
  sent.pass();
  await until(() => one.epoch.value > before);
  look.pass();
  await looked;
  expect(one.epoch.value).toBe(raised?.value);
  expect(one.epoch.due).toBe(false);
});

it("goes on to what somebody else made of it while it was raised here", async () => {
  const slow = holding(mongo.db);
  const add = processOf(slow.db);
  const [one, two] = [add("one", never), add("two", never)];
  await until(() => one.epoch.value > 0 && two.epoch.value > 0);
  const sent = slow.hold("raise");
  one.epoch.renew("a test", "now");
  await sent.arrived();
  const theirs = await raise("one");
  await two.epoch.refresh();
  expect(one.epoch.due).toBe(true);
  sent.pass();
  await until(() => !one.epoch.due);
  expect(one.epoch.value).toBe(theirs);
  expect(one.seen.filter((it) => it.bumped)).toHaveLength(1 + (one.seen[0]?.bumped ? 1 : 0));
});

it("follows MongoDB back to an older number, and from there on past all that was", async () => {
  const one = processOf()("one", never);
  await until(() => one.epoch.value > 0);
  const before = one.epoch.value;
  await epochsOf(mongo.db).updateOne({ _id: "one" }, { $set: { value: 5 } });
  await one.epoch.refresh();
  expect(one.epoch.value).toBe(5);
  one.epoch.renew("a backup was restored", "now");
  await until(() => !one.epoch.due);
  expect(one.epoch.value).toBeGreaterThanOrEqual(before);
});

it("is raised past one that was met in a copy from before", async () => {
  const one = processOf()("one", never);
  await until(() => one.epoch.value > 0);
  const met = one.epoch.value + 3_600_000_000;
  one.epoch.renew("the epoch went back", "now", met);
  await until(() => !one.epoch.due);
  expect(one.epoch.value).toBeGreaterThan(met);
});

it("takes no time for an answer in which MongoDB has given none", async () => {
  const slow = holding(mongo.db);
  const one = processOf(slow.db)("one", { ...never, doubt: 100 });
  await until(() => one.epoch.value > 0);
  const look = slow.hold("look");
  const looked = one.epoch.refresh();
  await look.arrived();
  const since = performance.now();
  await until(() => performance.now() > since + 300);
  expect(one.epoch.settled(since)).toBe(false);
  look.pass();
  await looked;
  await until(async () => {
    await one.epoch.refresh();
    return one.epoch.settled(since);
  });
});

/** Seen once, and so long ago that it does not count any more. */
async function lapsed(db: Db = mongo.db, timing: Partial<EpochTiming> = {}) {
  const one = processOf(db)("one", { ...never, epochTrust: 60, ...timing });
  await until(() => one.epoch.value > 0 && !one.epoch.fresh(performance.now()));
  return one.epoch;
}

it("is looked at for who asks when it does not count any more, and knows what was raised until then", async () => {
  const epoch = await lapsed();
  const raised = await raise("one");
  const asked = performance.now();
  await epoch.known(asked);
  expect(epoch.value).toBe(raised);
  expect(epoch.fresh(asked)).toBe(true);
});

it("counts for who asked before a look began, however long that took, and for nobody who asks later", async () => {
  const slow = holding(mongo.db);
  const epoch = await lapsed(slow.db);
  const look = slow.hold("look");
  const asked = performance.now();
  const known = epoch.known(asked);
  await look.arrived();
  await until(() => performance.now() > asked + 150);
  look.pass();
  await known;
  expect(epoch.fresh(asked)).toBe(true);
  expect(epoch.fresh(performance.now())).toBe(false);
});

it("is looked at once more for who asked when a look was under way already for long", async () => {
  const slow = holding(mongo.db);
  const epoch = await lapsed(slow.db);
  const look = slow.hold("look");
  const first = epoch.known(performance.now());
  await look.arrived();
  const raised = await raise("one");
  const begun = performance.now();
  await until(() => performance.now() > begun + 100);
  const asked = performance.now();
  const second = epoch.known(asked);
  look.pass();
  await Promise.all([first, second]);
  expect(epoch.value).toBe(raised);
  expect(epoch.fresh(asked)).toBe(true);
});

it("is waited for no longer than was said, and not at all while MongoDB does not answer", async () => {
  const slow = holding(mongo.db);
  const epoch = await lapsed(slow.db, { epochWait: 50 });
  const look = slow.hold("look");
  await epoch.known(performance.now());
  await look.arrived();
  expect(epoch.fresh(performance.now())).toBe(false);
  // The look is given up on after two seconds.
  const atOnce = async () => {
    const begun = performance.now();
    await epoch.known(begun);
    return performance.now() - begun < 25;
  };
  await until(atOnce);
  look.pass();
  await epoch.refresh();
  const asked = performance.now();
  await epoch.known(asked);
  expect(epoch.fresh(asked)).toBe(true);
});

it("is not looked at for who asks while a new one is due", async () => {
  const slow = holding(mongo.db);
  const epoch = await lapsed(slow.db);
  const sent = slow.hold("raise");
  epoch.renew("a test", "now");
  await sent.arrived();
  await until(() => !epoch.fresh(performance.now()));
  const look = slow.hold("look");
  await epoch.known(performance.now());
  expect(epoch.due).toBe(true);
  look.pass();
  sent.pass();
  await until(() => !epoch.due);
});
