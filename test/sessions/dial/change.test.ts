import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectMongo, type MongoLink } from "../../../src/mongo/connect.ts";
import type { FollowedSettings } from "../../../src/mongo/settings.ts";
import { type Turn, type TurnOptions, turnDial } from "../../../src/sessions/dial/change.ts";
import type { Check, Step } from "../../../src/sessions/dial/guards.ts";
import { settingsDial } from "../../../src/sessions/dial/settings-dial.ts";
import { readDial } from "../../../src/sessions/dial/status.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { createRecorder } from "../../support/recorder.ts";
import { openSettings } from "../../support/settings.ts";
import { until } from "../../support/until.ts";

const by = { who: "ann", why: "a test" };
const fine: Check = { name: "redis", ok: true, says: "Redis is up" };
const wrong: Check = { name: "verify", ok: false, says: "3 copies differ" };

describe("turning the dial", () => {
  const url = mongoUrl("dial-change");
  let link: MongoLink;
  let settings: FollowedSettings;
  let checks: Check[];
  let asked: Step[];
  const turn = (to: Turn, options: Partial<TurnOptions> = {}, on = settings) =>
    turnDial(
      {
        settings: on,
        check: async (step) => {
          asked.push(step);
          return checks;
        },
      },
      to,
      { ...by, ...options },
    );
  const lines = () => settings.history(100);

  beforeAll(async () => {
    link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 10, log: createRecorder() });
  });
  beforeEach(async () => {
    await link.db.dropDatabase();
    settings = await openSettings(link);
    checks = [fine];
    asked = [];
  });
  afterEach(() => settings.close());
  afterAll(async () => {
    await link.close();
    await dropDatabase(url);
  });

  it("is one line in the history: who, when, from, to and why", async () => {
    expect(readDial(settings)).toMatchObject({ percent: 0, mode: "serve", revision: 0, stored: false });
    const turned = await turn({ percent: 25 });
    expect(turned).toMatchObject({ revision: 1, changed: true, checks: [fine], after: { percent: 25, mode: "serve" } });
    expect(readDial(settings)).toMatchObject({ percent: 25, revision: 1, stored: true });
    expect(await lines()).toMatchObject([
      {
        ...by,
        revision: 1,
        at: expect.any(Date),
        from: { sessions: { percent: 0 } },
        to: { sessions: { percent: 25 } },
      },
    ]);
  });

  it("is refused by what stands in the way of more, and says what that is", async () => {
    await turn({ percent: 10 });
    checks = [fine, wrong];
    await expect(turn({ percent: 20 })).rejects.toMatchObject({
      code: "DIAL_REFUSED",
      message: "The dial stays where it is. 3 copies differ.",
      checks,
    });
    expect(settings.current.sessions.percent).toBe(10);
    expect(await turn({ percent: 20 }, { force: true })).toMatchObject({ changed: true, checks });
    expect(asked.at(-1)).toEqual({ from: 10, to: 20 });
  });

  it("asks nothing on the way down, out, or where nothing is served", async () => {
    await turn({ percent: 50 }, { force: true });
    asked = [];
    checks = [wrong];
    await turn({ percent: 40 });
    await turn({ mode: "shadow" });
    await turn({ percent: 90 });
    await turn({ mode: "off" });
    expect(asked).toEqual([]);
    await expect(turn({ mode: "serve" })).rejects.toThrow("3 copies differ");
    expect(asked).toEqual([{ from: 0, to: 90 }]);
  });

  it("only looks, when asked to, and still says what would be refused", async () => {
    expect(await turn({ percent: 10 }, { dryRun: true })).toMatchObject({ changed: true, after: { percent: 10 } });
    checks = [wrong];
    await expect(turn({ percent: 10 }, { dryRun: true })).rejects.toMatchObject({ code: "DIAL_REFUSED" });
    expect([settings.stored, await lines()]).toEqual([false, []]);
  });

  it("does nothing when it stands there already", async () => {
    await turn({ percent: 10 });
    expect(await turn({ percent: 10 })).toMatchObject({ changed: false, revision: 1 });
    expect(await lines()).toHaveLength(1);
  });

  it("refuses a position that there is not", async () => {
    for (const percent of [-1, 100.5, Number.NaN])
      await expect(turn({ percent }, { force: true })).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
  });

  it("is done though others change the settings at the same time", async () => {
    const other = await openSettings(link);
    const turns = [turn({ percent: 10 }), turn({ mode: "shadow" }, {}, other), turn({ oldServers: false }, {}, other)];
    await Promise.all(turns);
    await other.close();
    await until(() => settings.current.revision === 3);
    expect(settings.current.sessions).toEqual({ mode: "shadow", percent: 10, oldServers: false });
    expect(await lines()).toHaveLength(3);
  });

  it("ends a ramp", async () => {
    const ramp = { to: 100, step: 10, everyMs: 60_000, next: new Date(Date.now() + 60_000) };
    await settings.change({ sessions: { mode: "serve", percent: 10, oldServers: true, ramp } }, by);
    expect((await turn({ percent: 10 })).changed).toBe(true);
    expect(settings.current.sessions.ramp).toBeUndefined();
  });

  it("is followed by the store of every instance within 1.5 s", async () => {
    const other = await openSettings(link);
    const dial = settingsDial(other);
    const seen: unknown[] = [];
    const leave = dial.onChange((now, before) => seen.push([before.percent, now.percent]));
    const took: number[] = [];
    for (const percent of [10, 20, 30]) {
      const begun = performance.now();
      await turn({ percent });
      await until(() => dial.current.percent === percent);
      took.push(performance.now() - begun);
    }
    // The machine may have been busy once or twice.
    expect(Math.min(...took)).toBeLessThan(1_500);
    await settings.change({ redisDisabled: true }, by);
    await until(() => other.current.redisDisabled);
    leave();
    expect(seen).toEqual([
      [0, 10],
      [10, 20],
      [20, 30],
    ]);
    await other.close();
  });
});
