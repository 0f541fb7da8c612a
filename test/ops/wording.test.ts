import { describe, expect, it } from "vitest";
import { createHealth } from "../../src/ops/health.ts";

/** The health of an instance that was told `reason` by the door. */
async function outputFor(reason: string): Promise<string | undefined> {
  const health = createHealth({
    about: { serviceId: "one", releaseId: "1" },
    phase: () => "serving",
    redis: {
      health: async () => ({
        state: "down",
        since: 0,
        reason,
        topology: "single",
        connections: { open: 0 },
        waiting: 0,
      }),
    },
    disabledBy: () => null,
    mongo: { latest: { ok: true, value: 0.001, at: 0, seconds: 0.001 }, close() {} },
    clock: { now: () => 0 },
  });
  const { body } = await health.redis(false);
  health.close();
  return body.output;
}

describe("what the health page says of a reason", () => {
  it.each(["the connection is refused", "NOPERM: this user may not. Ask for more", "the breaker is open (250 ms)"])(
    "is all of it when it is words: %s",
    async (reason) => expect(await outputFor(reason)).toBe(`Redis is down (${reason}); MongoDB serves`),
  );

  it.each([
    "connect ECONNREFUSED 127.0.0.1:6379",
    "getaddrinfo ENOTFOUND redis.internal",
    "connect ETIMEDOUT [2001:db8::1]:6379",
    "redis://user:secret@host",
    "at /srv/chat/node_modules",
  ])("is nothing when it may be an address: %s", async (reason) =>
    expect(await outputFor(reason)).toBe("Redis is down; MongoDB serves"),
  );
});
