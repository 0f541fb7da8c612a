import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ActEntry } from "../../src/mongo/settings-types.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { until } from "../support/until.ts";
import { type Instance, startInstance } from "./instance.ts";

const by = { who: "ann", why: "a drill" };

describe("what operators do that is no setting", () => {
  const mongo = mongoUrl("acts");
  const heard: ActEntry[] = [];
  let one: Instance;
  let two: Instance;

  beforeAll(async () => {
    const env = { MONGODB_URL: mongo, DISABLE_REDIS: "true" };
    one = await startInstance(env);
    await one.settings.act("before anybody listened", by, async () => ({}));
    two = await startInstance({ ...env, SERVER_ID: "two" });
    two.settings.events.on("act", (act) => heard.push(act));
  });
  afterAll(async () => {
    await one.close();
    await two.close();
    await dropDatabase(mongo);
  });

  it("is in the history before it is done, and what it came to afterwards", async () => {
    const done = await one.settings.act("sweep", by, async () => {
      const [line] = await two.settings.history(1);
      expect(line).toMatchObject({ revision: null, ...by, act: { what: "sweep", ended: null, outcome: null } });
      return { keys: 12, loggedOut: 3, none: 0, stopped: true, clean: false };
    });
    expect(done).toMatchObject({ keys: 12 });
    const [line] = await two.settings.history(1);
    expect(line?.act).toEqual({ what: "sweep", ended: expect.any(Date), outcome: "keys 12, logged out 3, stopped" });
    await until(() => heard.at(-1)?.act.ended, { timeoutMs: 30_000 });
    expect(heard.every(({ act }) => act.what === "sweep")).toBe(true);
    await until(() => two.log.said("info", /^By ann: sweep: keys 12, logged out 3, stopped$/).length === 1);
    expect(two.log.said("info", /^By ann: before/)).toEqual([]);
  });

  it("says why it failed, and fails all the same", async () => {
    const failing = one.settings.act("break", by, () => Promise.reject(new Error("it was locked")));
    await expect(failing).rejects.toThrow("it was locked");
    expect((await one.settings.history(1))[0]?.act).toMatchObject({ what: "break", outcome: "failed: it was locked" });
  });

  it("stands among the changes of the settings, which go on counting as if it were not there", async () => {
    const first = await one.settings.change({ redisDisabled: true }, { who: "bo", why: "first" });
    await one.settings.act("between", by, async () => ({}));
    await one.settings.change({ redisDisabled: false }, { who: "bo", why: "second" });
    const whats = (await one.settings.history(4)).map(({ revision, act }) => act?.what ?? revision);
    expect(whats).toEqual([2, "between", 1, "break"]);
    expect((await one.settings.since(first.revision)).map(({ why }) => why)).toEqual(["second"]);
    await until(() => two.settings.current.revision === 2 && !two.settings.current.redisDisabled);
    await until(() => two.log.said("info", /^By bo: the kill switch is off$/).length === 1);
  });

  it("is not done when its line is not taken", async () => {
    await one.db.command({ collMod: "sluice_history", validator: { who: { $ne: "ann" } } });
    let done = false;
    const refused = one.settings.act("unseen", by, async () => {
      done = true;
      return {};
    });
    await expect(refused).rejects.toThrow(/validation/);
    expect(done).toBe(false);
  });
});
