import { createClient } from "redis";
import { describe, expect, it } from "vitest";
import { doorFor } from "../../src/redis/place.ts";
import { createRecorder } from "../support/recorder.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const secret = "redis://user:squirrel@127.0.0.1:1";
const take = (redis: unknown, log = createRecorder()) => doorFor(redis as never, log);

describe("the Redis that an app means", () => {
  const wrong: Record<string, [unknown, RegExp]> = {
    "null instead of nothing": [null, /^redis: got null; it takes a URL/],
    "a URL in an object": [{ url: secret }, /^redis: got an object of url; it takes a URL/],
    "host and port in an object": [{ host: "127.0.0.1", port: 6379 }, /^redis: got an object of host, port;/],
    "a client's": [createClient(), /^redis: got an object of the class \w+; .*a door that sluice has opened/],
    "a parsed URL": [new URL(secret), /^redis: got an object of the class URL;/],
    "a variable of another name": [{ REDIS_URI: secret }, /^redis: got an object of REDIS_URI; .*REDIS_URL/],
    "an environment that holds no text": [{ REDIS_PORT: 6379 }, /^redis: got a number as REDIS_PORT, where .* text;/],
    "nothing in an object": [{}, /^redis: got an object without a field;/],
    "a function": [() => secret, /^redis: got a function;/],
  };
  it.each(Object.entries(wrong))("is refused when it is %s, without its secrets", (_, [redis, words]) => {
    expect(() => take(redis)).toThrow(words);
    expect(() => take(redis)).toThrow(expect.objectContaining({ code: "REDIS_PLACE" }));
    expect(() => take(redis)).not.toThrow(/squirrel/);
  });

  it("is none when nothing is given, and nothing is said of it", async () => {
    for (const redis of [undefined, ""]) {
      const log = createRecorder();
      const { door, own } = take(redis, log);
      expect([door.state, own, log.said("warn", /./)]).toEqual(["disabled", true, []]);
      await door.close();
    }
  });

  it("is missed, once, in an environment that names none", async () => {
    const cases: [environment: object, words: RegExp][] = [
      [{ PATH: "/bin" }, /^The environment names no Redis: set REDIS_URL, .*; MongoDB answers everything$/],
      [{ PATH: "/bin", REDIS_URI: secret }, /names no Redis \(REDIS_URI: not read\): set REDIS_URL/],
      [{ REDIS_URL: undefined }, /names no Redis: set/],
    ];
    for (const [environment, words] of cases) {
      const log = createRecorder();
      const { door, own } = take(environment, log);
      expect([door.state, own]).toEqual(["disabled", true]);
      expect(log.said("warn", words)).toHaveLength(1);
      await door.close();
    }
    const log = createRecorder();
    await take({ PATH: "/bin", DISABLE_REDIS: "true" }, log).door.close();
    expect(log.said("warn", /names no Redis/)).toEqual([]);
  });

  it("is a URL, an environment that names one, or a door that stays its owner's", async () => {
    const server = await startRedisServer();
    const log = createRecorder();
    const mine = [take(server.url, log), take({ PATH: "/bin", REDIS_URL: server.url }, log)];
    try {
      for (const { door, own } of mine) {
        expect(own).toBe(true);
        await until(() => door.state === "up");
        expect(take(door)).toEqual({ door, own: false });
      }
      expect(log.said("warn", /names no Redis/)).toEqual([]);
    } finally {
      for (const { door } of mine) await door.close();
      await server.close();
    }
  });
});
