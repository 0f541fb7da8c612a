import { describe, expect, it } from "vitest";
import { openDoor, patient } from "../support/door.ts";
import { doorSuite } from "../support/door-suite.ts";
import { startProxy } from "../support/proxy.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const suite = doorSuite();

describe("a subscription", () => {
  it("delivers, says whether it is live, and comes back by itself", async () => {
    const { door } = await suite.openUp();
    const heard: string[] = [];
    const lives: boolean[] = [];
    const subscription = door.subscribe("updates:test", (message) => heard.push(message));
    subscription.onLive((live) => lives.push(live));
    await until(() => subscription.live);
    await suite.server.ask("PUBLISH", "updates:test", "one");
    await until(() => heard.length === 1);
    suite.proxy.reset();
    await until(() => lives.length === 3);
    await suite.server.ask("PUBLISH", "updates:test", "two");
    await until(() => heard.length === 2);
    expect(heard).toEqual(["one", "two"]);
    expect(lives).toEqual([true, false, true]);
    await subscription.close();
    await until(
      async () => Number(((await suite.server.ask("PUBSUB", "NUMSUB", "updates:test")) as unknown[])[1]) === 0,
    );
  });

  it("may be made before there is a connection, and shared by many", async () => {
    const one = suite.open({}, { start: false });
    const heard: string[] = [];
    const first = one.door.subscribe("updates:early", (message) => heard.push(`first ${message}`));
    const second = one.door.subscribe("updates:early", (message) => heard.push(`second ${message}`));
    expect(first.live).toBe(false);
    one.door.start();
    await until(() => first.live && second.live);
    await first.close();
    await suite.server.ask("PUBLISH", "updates:early", "x");
    await until(() => heard.length > 0);
    expect(heard).toEqual(["second x"]);
  });

  it("hears patterns and bytes, and survives a listener that throws", async () => {
    const { door, log } = await suite.openUp();
    const heard: [string, string][] = [];
    const broken = door.listen({ pattern: "updates:p:*" }, () => {
      throw new Error("listener is broken");
    });
    const whole = door.listen({ pattern: "updates:p:*" }, (bytes, channel) =>
      heard.push([bytes.toString("hex"), channel]),
    );
    await until(() => broken.live && whole.live);
    await door.call("publish", (redis) => redis.publish("updates:p:1", Buffer.from([0, 255]) as never));
    await until(() => heard.length === 1);
    expect(heard).toEqual([["00ff", "updates:p:1"]]);
    expect(log.lines.some(({ level }) => level === "error")).toBe(true);
    expect(door.state).toBe("up");
  });

  it("notices that its own connection is frozen while the others are well", async () => {
    const own = await startProxy(suite.server.port);
    try {
      const one = openDoor({ REDIS_URL: `redis://127.0.0.1:${own.port}`, ...patient, REDIS_WATCHDOG: "2s" });
      suite.closeLater(one);
      await one.is("up");
      const subscription = one.door.subscribe("updates:frozen", () => {});
      await until(() => subscription.live);
      const lives: boolean[] = [];
      subscription.onLive((live) => lives.push(live));
      own.freezeNewest();
      await until(() => lives.length === 2);
      expect(one.path()).toEqual(["up"]);
      expect(lives).toEqual([false, true]);
      const others = one.log.lines.filter(({ fields }) => !("to" in fields));
      expect(others.filter(({ level }) => level === "warn")).toHaveLength(1);
    } finally {
      await own.close();
    }
  });

  it("that cannot come back is told with its reason, once, and so is its end; each attempt is counted", async () => {
    const own = await startRedisServer();
    const one = openDoor({ REDIS_URL: own.url, ...patient, REDIS_BACKOFF_MAX: "50ms" });
    try {
      await one.is("up");
      const subscription = one.door.subscribe("updates:locked", () => {});
      await until(() => subscription.live);
      const failures: string[] = [];
      one.door.events.on("attempt", ({ ok, reason }) => void (ok || failures.push(reason)));
      await own.setPassword("another");
      await own.ask("CLIENT", "KILL", "TYPE", "pubsub");
      await until(() => failures.length >= 5, { describe: () => `five attempts that fail: ${failures}` });
      expect(new Set(failures)).toEqual(new Set([expect.stringMatching(/NOAUTH.*REDIS_PASSWORD/)]));
      expect(await one.door.health()).toMatchObject({ state: "up", deaf: expect.stringMatching(/NOAUTH/) });

      await own.ask("ACL", "SETUSER", "default", "nopass");
      await until(() => subscription.live);
      expect((await one.door.health()).deaf).toBeUndefined();
      expect(one.path()).toEqual(["up"]);
      const told = one.log.lines.filter(({ message }) => /messages/.test(message));
      expect(told.map(({ level, message }) => [level, message])).toEqual([
        ["warn", expect.stringMatching(/^The connection for Redis messages is lost \(/)],
        ["warn", expect.stringMatching(/^The connection for Redis messages is lost \(.*NOAUTH/)],
        ["info", "The connection for Redis messages is back"],
      ]);
    } finally {
      await one.close();
      await own.close();
    }
  });

  it("that is refused for want of a right is told to health in our own words, until nobody wants it", async () => {
    const own = await startRedisServer();
    await own.ask("ACL", "SETUSER", "hearer", "on", "nopass", "~*", "&updates:*", "+@all");
    const one = openDoor({ REDIS_URL: own.url.replace("//", "//hearer:any@"), ...patient });
    try {
      await one.is("up");
      const refused = one.door.subscribe("elsewhere", () => {});
      await until(async () => /^the Redis user lacks a right \(NOPERM\)$/.test((await one.door.health()).deaf ?? ""));
      await refused.close();
      expect((await one.door.health()).deaf).toBeUndefined();
    } finally {
      await one.close();
      await own.close();
    }
  });

  it("that is refused for want of a right is live as soon as Redis gives it, on the same connection", async () => {
    const own = await startRedisServer();
    await own.ask("ACL", "SETUSER", "hearer", "on", "nopass", "~*", "&updates:*", "+@all");
    const one = openDoor({ REDIS_URL: own.url.replace("//", "//hearer:any@"), ...patient });
    try {
      await one.is("up");
      const heard: string[] = [];
      const subscription = one.door.subscribe("elsewhere", (message) => heard.push(message));
      await until(async () => (await one.door.health()).deaf !== undefined);
      await own.ask("ACL", "SETUSER", "hearer", "&elsewhere");
      await until(() => subscription.live);
      expect((await one.door.health()).deaf).toBeUndefined();
      await own.ask("PUBLISH", "elsewhere", "hello");
      await until(() => heard.includes("hello"));
      expect(one.log.lines.filter(({ message }) => /refuses a subscription/.test(message))).toHaveLength(1);
    } finally {
      await one.close();
      await own.close();
    }
  });
});
