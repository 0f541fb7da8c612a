import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changeKillSwitch } from "../../src/ops/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { type Instance, startInstance } from "./instance.ts";

const by = { who: "operator", why: "a drill" };

describe("the kill switch", () => {
  const mongo = mongoUrl("kill-switch");
  const open: Instance[] = [];
  let redis: RedisServer;

  async function start(env: Record<string, string> = {}): Promise<Instance> {
    const instance = await startInstance({ MONGODB_URL: mongo, REDIS_URL: redis.url, ...env });
    open.push(instance);
    return instance;
  }
  /** What the instance says of Redis once MongoDB has answered its last ping, for which a busy machine may take a while. */
  async function covered(instance: Instance) {
    const answer = () => instance.health("/health/redis");
    await until(async () => !(await answer()).body.output?.endsWith("MongoDB does not answer"));
    return answer();
  }
  /** Connections to Redis, but the one that asks. */
  async function connections(): Promise<number> {
    return (
      String(await redis.ask("CLIENT", "LIST"))
        .trim()
        .split("\n").length - 1
    );
  }

  beforeEach(async () => {
    redis = await startRedisServer();
  });
  afterEach(async () => {
    for (const instance of open.splice(0)) await instance.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("closes every connection on every instance, shows itself, and lets Redis in again", async () => {
    const [one, two] = [await start(), await start()];
    await until(() => one.door.state === "up" && two.door.state === "up");
    expect(await connections()).toBeGreaterThan(1);

    await changeKillSwitch(one.settings, true, by);
    await until(() => one.door.state === "disabled" && two.door.state === "disabled");
    await until(async () => (await connections()) === 0);
    for (const instance of [one, two]) {
      const answer = await instance.door.call("greeting", (commands) => commands.get("cache:greeting"));
      expect(answer).toMatchObject({ ok: false, reason: "disabled" });
      expect(await instance.metric("chat_redis_disabled")).toBe(1);
      const { code, body } = await covered(instance);
      expect([code, body.status]).toEqual([200, "warn"]);
      expect(body.output).toBe("Redis is switched off by the kill switch; MongoDB serves");
    }

    await changeKillSwitch(two.settings, false, by);
    await until(() => one.door.state === "up" && two.door.state === "up");
    expect(await one.metric("chat_redis_disabled")).toBe(0);
    expect((await one.settings.history(10)).map(({ to }) => to.redisDisabled)).toEqual([false, true]);
  });

  it("is obeyed from the start by an instance that starts later", async () => {
    const one = await start();
    await changeKillSwitch(one.settings, true, by);
    await until(() => one.door.state === "disabled");
    const later = await start();
    expect(later.door.state).toBe("disabled");
    expect(await later.metric('chat_redis_state_changes_total{to="up"}')).toBe(0);
  });

  it("in the environment is not overruled by the settings, and says whose it is", async () => {
    const instance = await start({ DISABLE_REDIS: "true" });
    expect(instance.door.state).toBe("disabled");
    expect(instance.killSwitch.by).toBe("environment");
    expect(await instance.metric("chat_redis_disabled")).toBe(1);
    expect((await covered(instance)).body.output).toBe(
      "Redis is switched off by DISABLE_REDIS, until a restart without it; MongoDB serves",
    );
    await changeKillSwitch(instance.settings, true, by);
    await changeKillSwitch(instance.settings, false, by);
    expect(instance.door.state).toBe("disabled");
    expect(instance.log.said("warn", /DISABLE_REDIS keeps Redis off/)).toHaveLength(2);
    expect(await connections()).toBe(0);
  });

  it("ends where it was left, however fast it is turned", async () => {
    const instance = await start();
    await until(() => instance.door.state === "up");
    for (const on of [true, false, true, false, true]) await changeKillSwitch(instance.settings, on, by);
    await until(async () => instance.door.state === "disabled" && (await connections()) === 0);
    await changeKillSwitch(instance.settings, false, by);
    await until(() => instance.door.state === "up");
  });

  it("is turned though others change the settings at the same time, and does nothing twice", async () => {
    const [one, two] = [await start(), await start()];
    await Promise.all([changeKillSwitch(one.settings, true, by), changeKillSwitch(two.settings, true, by)]);
    await until(() => two.settings.current.redisDisabled && one.settings.current.redisDisabled);
    expect(await one.settings.history(10)).toHaveLength(1);
    await changeKillSwitch(one.settings, true, by);
    expect(await one.settings.history(10)).toHaveLength(1);
  });
});
