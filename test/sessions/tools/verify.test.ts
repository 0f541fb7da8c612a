import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Toolbox } from "../../../src/sessions/tools/toolbox.ts";
import { verifySessions } from "../../../src/sessions/tools/verify.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import { type Instance, startInstance } from "../../support/session-store.ts";
import { sessionOf } from "../../support/store-calls.ts";
import { type OpenToolbox, openToolbox } from "../../support/toolbox.ts";
import { until } from "../../support/until.ts";

const day = 86_400_000;
const settleMs = 150;
// Nothing but what a test does is to raise the epoch, however slow the machine is.
const env = { REDIS_DEADLINE: "10s", REDIS_REQUEST_BUDGET: "10s", REDIS_WATCHDOG: "10s" };

describe("the comparison of MongoDB with the copies", () => {
  const mongo = mongoUrl("tools-verify");
  let redis: RedisServer;
  let server: Instance;
  let tools: OpenToolbox;
  let test = 0;
  /** Another one in each test: what is ended is looked after for a while. */
  const id = (n: number) => `s${test}-${n}`;
  const verify = (options = {}) => verifySessions(tools.box, { settleMs, ...options });

  beforeAll(async () => {
    redis = await startRedisServer();
    const timing = { epochTrust: 8_000, behind: 8_000 };
    server = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, env, timing });
    tools = await openToolbox(mongo, redis.url);
    await server.trusting();
  });
  beforeEach(async () => {
    test += 1;
    for (let n = 0; n < 20; n += 1) {
      await server.calls.set(id(n), sessionOf(day, { n }));
      await server.calls.get(id(n));
    }
    await until(() => server.store.stats().unsettled === 0 && !server.store.stats().epochDue);
  });
  afterEach(() => server.calls.clear());
  afterAll(async () => {
    await tools.close();
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  const raw = async (one: string) => String(await redis.ask("GET", `session:${one}`));

  it("finds nothing wrong with what the store has made", async () => {
    const verified = await verify();
    expect(verified).toMatchObject({ sessions: 20, clean: true, complete: true, examples: [] });
    expect(verified.findings.same).toBe(20);
  });

  it("does not mind what is missing, old or somebody else's, but says that it is not complete", async () => {
    await redis.ask("DEL", `session:${id(0)}`);
    await redis.ask("SET", `session:${id(1)}`, (await raw(id(1))).replace(/^(\{"cookie":\{"~":"\d+ )\d+/, "$11"));
    await redis.ask("SET", `session:${id(2)}`, JSON.stringify(sessionOf(day, { n: 2 })));
    const verified = await verify();
    expect(verified).toMatchObject({ clean: true, complete: false });
    expect(verified.findings).toMatchObject({ same: 17, missing: 1, old: 1, foreign: 1 });
  });

  it("finds a copy that says something else, one that outlives its session, and one of no session", async () => {
    await redis.ask("SET", `session:${id(0)}`, (await raw(id(0))).replace('"n":0', '"n":9'), "KEEPTTL");
    await redis.ask("PEXPIRE", `session:${id(1)}`, 3 * day);
    await redis.ask("SET", "session:nobody", await raw(id(2)), "PX", day);
    const verified = await verify();
    expect(verified).toMatchObject({ clean: false, complete: false, sessions: 20 });
    expect(verified.findings).toMatchObject({ same: 18, differing: 1, ends: 1, orphaned: 1 });
    const { alias } = tools.box;
    expect(verified.examples.map((example) => example.alias).sort()).toEqual(
      [id(0), id(1), "nobody"].map(alias).sort(),
    );
    expect(JSON.stringify(verified)).not.toContain("nobody");
    await redis.ask("DEL", "session:nobody");
  });

  it("does not take a write that is on its way for a fault", async () => {
    const copy = await raw(id(3));
    await server.calls.set(id(3), sessionOf(day, { n: 33 }));
    const now = await raw(id(3));
    await redis.ask("SET", `session:${id(3)}`, copy, "KEEPTTL");
    // It arrives between the first look at it and the second.
    let seen = false;
    const { box } = tools;
    const get: Toolbox["copies"]["get"] = async (one) => {
      const copies = await box.copies.get(one);
      if (one === id(3) && !seen) await redis.ask("SET", `session:${id(3)}`, now, "KEEPTTL");
      seen ||= one === id(3);
      return copies;
    };
    const verified = await verifySessions({ ...box, copies: { ...box.copies, get } }, { settleMs });
    expect(verified).toMatchObject({ clean: true, complete: true });
    expect(seen).toBe(true);
  });

  it("looks at a part of them when that is enough", async () => {
    const verified = await verify({ sample: 5 });
    expect(verified.sessions).toBeLessThanOrEqual(5);
    expect(verified).toMatchObject({ clean: true, complete: false });
  });

  it("stops when it is told to, and then calls nothing clean", async () => {
    const stop = new AbortController();
    const looking = verify({ rate: 1, signal: stop.signal, onProgress: () => stop.abort() });
    expect(await looking).toMatchObject({ stopped: true, clean: false });
  });
});
