import { ErrorReply } from "redis";
import { describe, expect, it } from "vitest";
import { describeLoss, judge, traceOf } from "../../src/redis/failure.ts";

describe("what is said of a failure", () => {
  it.each([
    new ErrorReply("MOVED 1234 10.0.0.1:6379"),
    new ErrorReply("ERR Target redis.internal:6379 is unreachable"),
    new ErrorReply("secret word"),
    Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:6379"), { code: "ECONNREFUSED" }),
    new Error("getaddrinfo ENOTFOUND redis.internal"),
    new Error("redis://user:secret@host"),
  ])("is nothing that others wrote: $message", (error) => {
    for (const words of [describeLoss(error), judge(error, false).words]) {
      expect(words).not.toMatch(/\d\.\d|internal|secret|:\d/);
      expect(words.length).toBeGreaterThan(10);
    }
  });

  it("names the word that an unknown reply begins with, and leaves the rest to the log", () => {
    const reply = new ErrorReply("NOPROTO unsupported protocol version");
    expect(describeLoss(reply)).toBe("Redis answers with an error (NOPROTO)");
    expect(traceOf(reply)).toBe(reply);
  });

  it("tells of a number of a database that there is not, and which variables name it", () => {
    const { verdict, words } = judge(new ErrorReply("ERR DB index is out of range"), false);
    expect([verdict, words]).toEqual(["unusable", expect.stringMatching(/REDIS_DB.*REDIS_URL/)]);
  });
});
