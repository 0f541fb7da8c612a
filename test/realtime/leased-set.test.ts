import { afterAll, beforeAll, expect, it } from "vitest";
import { createLeasedSet } from "../../src/realtime/presence/leased-set.ts";
import { applyChanges } from "../../src/realtime/presence/scripts.ts";
import type { Link } from "../../src/realtime/presence/types.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const key = "cache:users:online";
let redis: RedisServer;
let opened: OpenedDoor;

beforeAll(async () => {
  redis = await startRedisServer();
  opened = openDoor({ REDIS_URL: redis.url, ...patient });
  await opened.is("up");
});
afterAll(async () => {
  await opened?.close();
  await redis?.close();
});

it("says again who came while Redis was away, and an answer of before was still on its way", async () => {
  let up = true;
  let hold: Promise<unknown> | undefined;
  let held = false;
  const link: Link = {
    me: "one",
    shared: true,
    channel: "updates:presence",
    times: { leaseMs: 12_000, beatMs: 4_000, graceMs: 4_000 },
    up: () => up,
    upSince: () => 0,
    certain: () => true,
    async run<T>(...[script, keys, args]: Parameters<Link["run"]>) {
      const answer = await opened.door.script<T>(script, keys, args);
      if (script === applyChanges && hold) {
        held = true;
        await hold;
      }
      return answer.ok ? answer.value : undefined;
    },
    tally: { asserted: 0, reaped: 0 },
  };
  const set = createLeasedSet(key, link, { guess: true, profiled: false, ttlSeconds: 30 });
  let letGo = () => {};
  hold = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  set.recover();
  void set.add("ann");
  await until(() => held);

  up = false;
  set.lose();
  expect(await set.add("bob")).toBe(true);
  up = true;
  set.recover();
  hold = undefined;
  letGo();
  await set.settle();
  await set.settle();
  expect(((await redis.ask("SMEMBERS", key)) as string[]).sort()).toEqual(["ann", "bob"]);
});
