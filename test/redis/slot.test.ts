import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { slotOf } from "../../src/redis/slot.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedisServer({ args: ["--cluster-enabled", "yes"], busPort: true });
});
afterAll(() => server.close());

describe("the slot of a key", () => {
  it.each([
    "cache:users:list",
    "{cache:users:list}:profiles",
    "session:abc",
    "{}empty tag",
    "a{b}{c}",
    "{unclosed",
    "a{}b{c}d",
    "ключ",
    "",
  ])("is what the server says: %s", async (key) => {
    expect(slotOf(key)).toBe(await server.ask("CLUSTER", "KEYSLOT", key));
    expect(slotOf(Buffer.from(key))).toBe(slotOf(key));
  });

  it("is shared by a key and its companions", () => {
    expect(slotOf("{cache:users:list}:profiles")).toBe(slotOf("cache:users:list"));
  });
});
