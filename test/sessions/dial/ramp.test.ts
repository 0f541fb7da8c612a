import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/kernel/clock.ts";
import { connectMongo, type MongoLink } from "../../../src/mongo/connect.ts";
import type { FollowedSettings } from "../../../src/mongo/settings.ts";
import { turnDial } from "../../../src/sessions/dial/change.ts";
import type { Check } from "../../../src/sessions/dial/guards.ts";
import { abortRamp, type RampRunner, runRamp, startRamp, stepOf } from "../../../src/sessions/dial/ramp.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { createRecorder } from "../../support/recorder.ts";
import { openSettings } from "../../support/settings.ts";
import { until } from "../../support/until.ts";

const by = { who: "ann", why: "a test" };
const dial = { mode: "serve", percent: 10, oldServers: true } as const;

describe("a ramp", () => {
  const url = mongoUrl("dial-ramp");
  const open: { settings: FollowedSettings; runner: RampRunner }[] = [];
  let link: MongoLink;
  let wrong: string | undefined;
  let refused = 0;
  async function check(): Promise<Check[]> {
    if (!wrong) return [];
    refused += 1;
    return [{ name: "redis", ok: false, says: wrong }];
  }

  /** One server, as far as the ramp goes. */
  async function instance(who: string, patienceMs = 100): Promise<FollowedSettings> {
    const settings = await openSettings(link);
    const timing = { lookMs: 20, patienceMs };
    open.push({
      settings,
      runner: runRamp({ settings, check, clock: systemClock, log: createRecorder(), who, ...timing }),
    });
    return settings;
  }
  const closeAll = () =>
    Promise.all(
      open.splice(0).map(async ({ settings, runner }) => {
        await runner.close();
        await settings.close();
      }),
    );
  const begin = (settings: FollowedSettings, plan = {}) =>
    startRamp(
      { settings, check, clock: systemClock },
      { from: 10, to: 50, step: 10, everyMs: 100, ...plan },
      { ...by },
    );
  const percents = async (settings: FollowedSettings) =>
    (await settings.history(100)).map(({ to }) => to.sessions?.percent).reverse();

  beforeAll(async () => {
    link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 10, log: createRecorder() });
  });
  beforeEach(async () => {
    await link.db.dropDatabase();
    wrong = undefined;
    refused = 0;
  });
  afterEach(closeAll);
  afterAll(async () => {
    await link.close();
    await dropDatabase(url);
  });

  it("knows its next position, up or down, and its last", () => {
    const ramp = { to: 100, step: 30, everyMs: 1_000, next: new Date(0) };
    expect(stepOf({ ...dial, ramp }, 5_000)).toEqual({
      ...dial,
      percent: 40,
      ramp: { ...ramp, next: new Date(6_000) },
    });
    expect(stepOf({ ...dial, percent: 90, ramp }, 5_000)).toEqual({ ...dial, percent: 100 });
    expect(stepOf({ ...dial, percent: 50, ramp: { ...ramp, to: 0 } }, 0).percent).toBe(20);
    expect(stepOf({ ...dial, percent: 0.2, ramp: { ...ramp, step: 0.1 } }, 0).percent).toBe(0.3);
  });

  it("comes to its end wherever that is", () => {
    const ramp = { to: 33.33333, step: 30, everyMs: 1_000, next: new Date(0) };
    expect(stepOf({ ...dial, ramp }, 0)).toEqual({ ...dial, percent: 33.33333 });
    expect(stepOf({ ...dial, percent: 90, ramp: { ...ramp, step: 60 } }, 0)).toEqual({ ...dial, percent: 33.33333 });
  });

  it("takes each step once, however many instances there are, and ends where it should", async () => {
    const [one] = [await instance("one"), await instance("two"), await instance("three")];
    const begun = performance.now();
    expect(await begin(one)).toMatchObject({ after: { percent: 10, ramp: { to: 50, step: 10 } } });
    await until(() => one.current.sessions.percent === 50 && one.current.sessions.ramp === undefined);
    expect(performance.now() - begun).toBeGreaterThan(380);
    expect(await percents(one)).toEqual([10, 20, 30, 40, 50]);
    const [last, ...others] = await one.history(4);
    expect(last?.why).toBe("step of the ramp to 50 %, its last");
    for (const { who, why } of others) expect([who, why]).toEqual([expect.any(String), "step of the ramp to 50 %"]);
  });

  it("outlives the instances that were there when it began", async () => {
    const one = await instance("one");
    await begin(one, { everyMs: 300 });
    await closeAll();
    const two = await instance("two");
    await until(() => two.current.sessions.percent === 50);
    expect(await percents(two)).toEqual([10, 20, 30, 40, 50]);
  });

  it("stops when a check goes on standing in its way, and says which", async () => {
    const [one] = [await instance("one"), await instance("two")];
    await begin(one, { to: 100 });
    await until(() => one.current.sessions.percent >= 30);
    wrong = "Redis is down";
    await until(() => one.current.sessions.ramp === undefined);
    const stopped = one.current.sessions.percent;
    expect(stopped).toBeLessThan(100);
    expect((await one.history(1))[0]?.why).toBe(`the ramp has ended at ${stopped} %: Redis is down`);
    wrong = undefined;
    const { revision } = one.current;
    await expect(until(() => one.current.revision > revision, { timeoutMs: 300 })).rejects.toThrow();
  });

  it("goes on after a check that passes again soon", async () => {
    const settings = await instance("one", 60_000);
    await begin(settings, { to: 100 });
    wrong = "the stream is behind";
    await until(() => refused > 0);
    wrong = undefined;
    await until(() => settings.current.sessions.percent === 100);
  });

  it("is ended by an operator, by its abort or by a turn of the dial", async () => {
    const settings = await instance("one");
    await begin(settings, { everyMs: 60_000 });
    expect(await abortRamp(settings, by)).toBe(true);
    expect(await abortRamp(settings, by)).toBe(false);
    expect(settings.current.sessions).toEqual({ ...dial });
    await begin(settings);
    await turnDial({ settings, check }, { percent: 15 }, by);
    const { revision } = settings.current;
    await expect(until(() => settings.current.revision > revision, { timeoutMs: 300 })).rejects.toThrow();
    expect(settings.current.sessions.percent).toBe(15);
  });

  it("begins only when nothing stands in the way of its first position, and with a plan that can be", async () => {
    const settings = await instance("one");
    wrong = "Redis is down";
    await expect(begin(settings)).rejects.toMatchObject({ code: "DIAL_REFUSED" });
    for (const plan of [{ to: 101 }, { step: 0 }, { step: 0.0001 }, { everyMs: 0 }, { from: -1 }])
      await expect(begin(settings, plan)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
    expect(await settings.history(1)).toEqual([]);
  });
});
