import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEvents } from "../../../src/kernel/events.ts";
import { connectMongo, type MongoLink } from "../../../src/mongo/connect.ts";
import type { FollowedSettings } from "../../../src/mongo/settings.ts";
import { createStepDown, lower, type StepDown } from "../../../src/sessions/dial/step-down.ts";
import type { SessionEventSource, SessionEvents } from "../../../src/sessions/types.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { createRecorder } from "../../support/recorder.ts";
import { openSettings } from "../../support/settings.ts";
import { until } from "../../support/until.ts";

const by = { who: "ann", why: "a test" };
// Longer than a busy machine stands still between what happens and the next look.
const limits = { windowMs: 5_000, errors: 5, latencyMs: 50, missing: 5 };

describe("the dial that steps down by itself", () => {
  const url = mongoUrl("dial-step-down");
  let link: MongoLink;
  let settings: FollowedSettings;
  let events: SessionEventSource;
  let stepDown: StepDown;
  let steps: unknown[];

  const times = (count: number, act: () => void) => Array.from({ length: count }).forEach(act);
  const hit = (seconds = 0.002) => events.emit("operation", { op: "get", store: "redis", result: "hit", seconds });
  const mongo = () => events.emit("operation", { op: "get", store: "mongo", result: "hit", seconds: 0.004 });
  const fallback = (reason: SessionEvents["fallback"]["reason"]) => {
    events.emit("fallback", { reason });
    mongo();
  };
  let cookies = 0;
  const missing = (id = `s${++cookies}`) => {
    events.emit("operation", { op: "get", store: "mongo", result: "missing", seconds: 0.004 });
    events.emit("missing", { id, at: Date.now() });
  };
  const at = (percent: number, more = {}) =>
    settings.change({ sessions: { mode: "serve", percent, oldServers: true, ...more } }, by);
  const stays = () => expect(until(() => steps.length > 0, { timeoutMs: 600 })).rejects.toThrow();

  beforeAll(async () => {
    link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 10, log: createRecorder() });
  });
  beforeEach(async () => {
    await link.db.dropDatabase();
    settings = await openSettings(link);
    events = createEvents<SessionEvents>();
    steps = [];
    const onStep = (...step: unknown[]) => steps.push(step);
    stepDown = createStepDown({ settings, events, limits, who: "sluice at one", log: createRecorder(), onStep });
    await at(50);
  });
  afterEach(async () => {
    await stepDown.close();
    await settings.close();
  });
  afterAll(async () => {
    await link.close();
    await dropDatabase(url);
  });

  it("has positions, each lower than the one before", () => {
    expect([100, 50, 49, 25, 10, 7, 1, 0.5, 0].map(lower)).toEqual([50, 25, 25, 10, 5, 5, 0, 0, 0]);
  });

  it("does so when Redis gives too few answers in time", async () => {
    times(300, () => hit());
    times(30, () => fallback("deadline"));
    await until(() => steps.length > 0);
    expect(steps).toEqual([["errors", 50, 25]]);
    expect(settings.current.sessions.percent).toBe(25);
    const [line] = await settings.history(1);
    expect(line?.who).toBe("sluice at one");
    expect(line?.why).toBe("stepped down by itself: 30 of 330 reads from Redis failed in 5 s");
  });

  it("does so when its answers are slow", async () => {
    times(300, () => hit());
    times(30, () => hit(0.08));
    await until(() => steps.length > 0);
    expect(steps).toEqual([["latency", 50, 25]]);
  });

  it("does so when sessions are missing", async () => {
    times(300, () => hit());
    times(30, () => missing());
    await until(() => steps.length > 0);
    expect(steps).toEqual([["missing", 50, 25]]);
  });

  it("counts anew at each position, down to none", async () => {
    for (const percent of [25, 10, 5, 1, 0]) {
      times(30, () => missing());
      await until(() => settings.current.sessions.percent === percent);
    }
    steps = [];
    times(100, () => missing());
    await stays();
  });

  it("ends a ramp", async () => {
    await at(50, { ramp: { to: 100, step: 10, everyMs: 60_000, next: new Date(Date.now() + 60_000) } });
    times(30, () => missing());
    await until(() => steps.length > 0);
    expect(settings.current.sessions).toEqual({ mode: "serve", percent: 25, oldServers: true });
  });

  it.each([
    ["a Redis that is out, which MongoDB covers", () => times(500, () => fallback("redis"))],
    ["a change stream that is behind", () => times(500, () => fallback("stream"))],
    ["a new epoch", () => times(500, () => fallback("epoch"))],
    [
      "a few late answers among many",
      () => {
        times(1_000, () => hit());
        times(30, () => fallback("deadline"));
      },
    ],
    ["one old cookie that is shown again and again", () => times(500, () => missing("the same"))],
    ["a handful of reads", () => times(19, () => missing())],
  ])("does not for %s", async (_, act) => {
    act();
    await stays();
    expect(settings.current.sessions.percent).toBe(50);
  });

  it("does not where Redis answers nothing", async () => {
    await at(50, { mode: "shadow" });
    times(100, () => missing());
    await stays();
  });

  it("is one step, when several instances see the same", async () => {
    const other = await openSettings(link);
    const second = createStepDown({ settings: other, events, limits, who: "sluice at two", log: createRecorder() });
    times(100, () => missing());
    await until(() => settings.current.sessions.percent < 50 && other.current.sessions.percent < 50);
    await second.close();
    await other.close();
    expect(settings.current.sessions.percent).toBe(25);
    expect(await settings.history(10)).toHaveLength(2);
  });
});
