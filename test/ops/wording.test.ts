import { describe, expect, it } from "vitest";
import type { Sample } from "../../src/kernel/sampler.ts";
import { createHealth } from "../../src/ops/health.ts";
import { type Stream, streamFigures } from "../../src/ops/metrics/streams.ts";
import type { RedisHealth } from "../../src/redis/types.ts";
import { lagOf } from "../../src/wire-memory.ts";
import { until } from "../support/until.ts";

const answering: Sample<number> = { ok: true, value: 0.001, at: 0, seconds: 0.001 };
const silent: Sample<number> = { ok: false, reason: "unanswered", at: 0, seconds: 0.5 };

/** The health of an instance that was told this by the door. */
function healthWith(redis: Partial<RedisHealth>, mongo = answering) {
  const seen: RedisHealth = {
    state: "up",
    since: 0,
    reason: "",
    topology: "single",
    connections: { open: 0 },
    waiting: 0,
  };
  return createHealth({
    about: { serviceId: "one", releaseId: "1" },
    phase: () => "serving",
    redis: { health: async () => ({ ...seen, ...redis }) },
    disabledBy: () => null,
    mongo: { latest: mongo, close() {} },
    clock: { now: () => 0 },
  });
}

/** What is amiss at it, once all has been looked at. */
async function amissAt(health: ReturnType<typeof healthWith>): Promise<string[]> {
  try {
    const looked = () => !JSON.stringify(health.checks.read()).includes("not looked at yet");
    await until(async () => looked() && (await health.redis(false)).body.checks !== undefined);
    return await until(() => (health.amiss().length > 0 ? health.amiss() : undefined));
  } finally {
    health.close();
  }
}

const behind: Stream = { live: false, lagMs: 5_000, reason: "behind" };
const streams = (stream: Stream, ...names: string[]) => new Map(names.map((name) => [name, stream]));

describe("what the health page says of a reason", () => {
  it.each([
    "the connection is refused",
    "Redis does not know a command that is needed: 6.2 or newer, no command renamed",
    "the server does not answer to our TLS: if it speaks none, use redis:// and no REDIS_TLS",
    "its certificate is not trusted (SELF_SIGNED_CERT_IN_CHAIN): see REDIS_CA_FILE",
  ])("is all of it: %s", async (reason) => {
    const health = healthWith({ state: "down", reason });
    expect((await health.redis(false)).body.output).toBe(`Redis is down (${reason}); MongoDB serves`);
    health.close();
  });
});

describe("messages of Redis that do not arrive", () => {
  const words = "Redis messages do not arrive: the connection was reset";

  it("stand at the top of the health page, and once among what is amiss", async () => {
    const deaf = "the connection was reset";
    const health = healthWith({ deaf });
    const bus = { well: false, lagMs: 4_000 };
    health.checks.add("bus:lag", () => lagOf({ bus } as never, { health: async () => ({ deaf }) } as never));
    const { code, body } = await health.redis(false);
    expect([code, body.status, body.output]).toEqual([200, "warn", words]);
    expect(await amissAt(health)).toEqual([words]);
  });

  it("are told as well when nobody knows why, and not at all while they arrive", async () => {
    const bus = { well: false, lagMs: 4_000.4 };
    const door = { health: async () => ({}) };
    expect(await lagOf({ bus } as never, door as never)).toMatchObject({
      value: 4_000,
      status: "warn",
      output: "Redis messages do not arrive: none comes back",
    });
    expect(await lagOf({ bus: { ...bus, well: true } } as never, door as never)).toEqual({ value: 4_000, unit: "ms" });
  });
});

describe("what is amiss", () => {
  it("is one thing while MongoDB does not answer, whatever follows from it", async () => {
    const health = healthWith({}, silent);
    health.checks.add("changeStream:lag", () => streamFigures(streams(behind, "settings", "cache:users")));
    for (const name of ["sessions:fallback", "cache:users", "mongo:queries"])
      health.checks.add(name, () => ({ status: "warn", output: "it follows" }));
    health.checks.add("load", () => ({ status: "warn", output: "the processor is busy" }));
    expect(await amissAt(health)).toEqual(["MongoDB does not answer", "load: the processor is busy"]);
  });

  it("is one thing while neither answers", async () => {
    const health = healthWith({ state: "down", reason: "the connection is refused" }, silent);
    expect(await amissAt(health)).toEqual(["Redis is down (the connection is refused); and MongoDB does not answer"]);
  });

  it("has the change streams in one sentence for each trouble", async () => {
    const health = healthWith({});
    const some = new Map([...streams(behind, "one", "two"), ...streams({ ...behind, live: true }, "three")]);
    health.checks.add("changeStream:lag", () => streamFigures(some));
    expect(await amissAt(health)).toEqual(["2 of 3 change streams do not tell all changes yet (behind)"]);
  });

  it("is one thing where MongoDB is no replica set, with what to do", async () => {
    const health = healthWith({});
    const alone: Stream = { live: false, lagMs: Number.POSITIVE_INFINITY, reason: "no replica set" };
    health.checks.add("changeStream:lag", () => streamFigures(streams(alone, "one", "two", "three")));
    expect(await amissAt(health)).toEqual([expect.stringMatching(/^MongoDB is no replica set.*rs\.initiate\(\)/)]);
  });
});
