import { isDeepStrictEqual } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/kernel/clock.ts";
import { connectMongo, type MongoLink } from "../../../src/mongo/connect.ts";
import type { FollowedSettings } from "../../../src/mongo/settings.ts";
import { turnDial } from "../../../src/sessions/dial/change.ts";
import { createDialControl, type DialControl } from "../../../src/sessions/dial/control.ts";
import { type Check, createGuards } from "../../../src/sessions/dial/guards.ts";
import { startRamp } from "../../../src/sessions/dial/ramp.ts";
import { settingsDial } from "../../../src/sessions/dial/settings-dial.ts";
import type { StepDownLimits } from "../../../src/sessions/dial/step-down.ts";
import { type RolloutStore, rolloutStore } from "../../../src/sessions/store.ts";
import { createToolbox, type Toolbox } from "../../../src/sessions/tools/toolbox.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { createRecorder } from "../../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import { redisDoor } from "../../support/session-store.ts";
import { openSettings } from "../../support/settings.ts";
import { callsOf, type StoreCalls, sessionOf } from "../../support/store-calls.ts";
import { until } from "../../support/until.ts";

const by = { who: "ann", why: "a test" };
const day = 86_400_000;

interface Server {
  settings: FollowedSettings;
  store: RolloutStore;
  calls: StoreCalls;
  control: DialControl;
  box: Toolbox;
  close(): Promise<void>;
}

describe("the dial of several servers", () => {
  const url = mongoUrl("dial-control");
  const open: Server[] = [];
  let redis: RedisServer;
  let link: MongoLink;

  /** A server without its HTTP. */
  async function server(
    serverId: string,
    more: { limits?: StepDownLimits; ttlSeconds?: number } = {},
  ): Promise<Server> {
    const log = createRecorder();
    const { db } = link;
    // A busy machine is not Redis's fault.
    const door = redisDoor(redis.url, log, { REDIS_DEADLINE: "5s", REDIS_WATCHDOG: "8s" });
    const settings = await openSettings(link);
    const store = rolloutStore({ mongo: { db }, redis: door, settings: settingsDial(settings), log });
    const box = createToolbox({ db, door });
    const about = { serverId, version: "1.2.3", ttlSeconds: 86_400, everyMs: 100, clock: systemClock, log, ...more };
    const control = createDialControl({ settings, store, db, door, box, ...about });
    door.start();
    const made = {
      settings,
      store,
      calls: callsOf(store),
      control,
      box,
      async close() {
        await control.close();
        await store.close();
        await settings.close();
        await door.close();
      },
    };
    open.push(made);
    return made;
  }
  const converged = (one: Server) =>
    until(
      async () => {
        const status = await one.control.status();
        const { converged: agree, instances } = status;
        // A report that is late on a busy machine is missed for a moment.
        const all = instances.length === open.length && instances.every(({ redis: state }) => state === "up");
        return agree && all ? status : undefined;
      },
      { describe: "all servers to agree" },
    );

  beforeAll(async () => {
    link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 20, log: createRecorder() });
  });
  beforeEach(async () => {
    redis = await startRedisServer();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
    await redis.close();
    await link.db.dropDatabase();
  });
  afterAll(async () => {
    await link.close();
    await dropDatabase(url);
  });

  it("is the same for all of them soon after it was turned, and the status says so", async () => {
    const [one, two] = [await server("one"), await server("two")];
    await until(() => one.store.stats().readingFrom === "redis" && two.store.stats().readingFrom === "redis");
    const before = await converged(one);
    expect(before.instances.map(({ serverId, percent, redis: state }) => [serverId, percent, state])).toEqual([
      ["one", 0, "up"],
      ["two", 0, "up"],
    ]);
    await turnDial(one.control.desk, { percent: 25 }, by);
    await until(() => two.store.stats().percent === 25);
    const after = await converged(two);
    expect(after.instances.map(({ percent, revision }) => [percent, revision])).toEqual([
      [25, 1],
      [25, 1],
    ]);
    expect(after.dial).toMatchObject({ percent: 25, revision: 1, stored: true });
  });

  it("says on what they differ", async () => {
    const [one, two] = [await server("one"), await server("two")];
    await converged(one);
    await two.settings.close();
    await turnDial(one.control.desk, { percent: 25 }, { ...by, force: true });
    const status = await until(async () => {
      const { converged: agree, differs } = await one.control.status();
      return !agree && differs.includes("percent") ? differs : undefined;
    });
    expect(status).toEqual(expect.arrayContaining(["revision", "percent"]));
    await two.close();
    open.pop();
    expect((await converged(one)).instances).toHaveLength(1);
  });

  describe("its checks", () => {
    const words = (checks: Check[]) =>
      Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ name, says }) => [name, says]));
    async function checked(one: Server, step = { from: 0, to: 50 }) {
      const check = createGuards({ db: link.db, box: one.box, settleMs: 150, graceMs: 200 });
      return words(await check(step));
    }

    it("find nothing while all is well", async () => {
      const one = await server("one");
      await converged(one);
      await one.calls.set("s1", sessionOf(day));
      await until(async () => Object.keys(await checked(one)).length === 0);
    });

    it("find a wrong copy, and one that lives too long", async () => {
      const one = await server("one");
      await turnDial(one.control.desk, { percent: 100 }, { ...by, force: true });
      await until(() => one.store.stats().readingFrom === "redis");
      for (const id of ["s1", "s2"]) {
        await one.calls.set(id, sessionOf(day, { id }));
        await until(async () => {
          await one.calls.get(id);
          return redis.ask("EXISTS", `session:${id}`);
        });
      }
      await redis.ask("SET", "session:s1", String(await redis.ask("GET", "session:s2")), "KEEPTTL");
      await redis.ask("PEXPIRE", "session:s2", 5 * day);
      const wrong = {
        verify: "1 copies differ and 0 are of no session",
        ttl: "1 copies live longer or shorter than their sessions",
      };
      await until(async () => isDeepStrictEqual(await checked(one), wrong), { describe: () => checked(one) });
    });

    it("find servers that let sessions live differently", async () => {
      const [one] = [await server("one"), await server("two", { ttlSeconds: 3_600 })];
      await converged(one);
      await until(async () => (await checked(one)).ttl === "Instances differ in TTL_SESSIONS: 86400, 3600 seconds");
    });

    it("find a Redis that has no room, or would throw away the wrong things", async () => {
      const one = await server("one");
      await converged(one);
      for (let n = 0; n < 20; n += 1) await one.calls.set(`s${n}`, sessionOf(day, { text: "x".repeat(50_000) }));
      const used = Number(await redis.info("used_memory"));
      await redis.ask("CONFIG", "SET", "maxmemory", used + 400_000);
      await until(async () => (await checked(one)).memory?.startsWith("Redis would use"));
      await redis.ask("CONFIG", "SET", "maxmemory", "0");
      await redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
      await until(async () => (await checked(one)).memory?.startsWith("maxmemory-policy is allkeys-lru"));
    });

    it("find a Redis that is out, and stop a ramp with it", async () => {
      const one = await server("one");
      await converged(one);
      const plan = { from: 10, to: 100, step: 10, everyMs: 500 };
      await until(async () => Object.keys(await checked(one)).length === 0);
      await until(() => startRamp(one.control.desk, plan, { ...by }));
      await until(() => one.store.stats().percent >= 20);
      await redis.kill();
      await until(() => one.settings.current.sessions.ramp === undefined);
      expect(one.settings.current.sessions.percent).toBeLessThan(100);
      expect((await one.settings.history(1))[0]?.why).toMatch(/^the ramp has ended at \d+ %: Redis is /);
      await expect(turnDial(one.control.desk, { percent: 100 }, by)).rejects.toMatchObject({ code: "DIAL_REFUSED" });
      await turnDial(one.control.desk, { percent: 0 }, by);
      await redis.start();
    });
  });

  it("steps down when sessions go missing, and tells of it", async () => {
    const limits = { windowMs: 10_000, errors: 5, latencyMs: 500, missing: 5 };
    const one = await server("one", { limits });
    const steps: unknown[] = [];
    one.control.events.on("steppedDown", (step) => steps.push(step));
    await turnDial(one.control.desk, { percent: 50 }, { ...by, force: true });
    for (let n = 0; n < 30; n += 1) expect(await one.calls.get(`nobody${n}`)).toBeNull();
    await until(() => steps.length > 0);
    expect(steps[0]).toEqual({ cause: "missing", from: 50, to: 25 });
    await until(() => one.store.stats().percent === 25);
  });
});
