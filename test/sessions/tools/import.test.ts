import { RedisStore } from "connect-redis";
import { createClient } from "redis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { endMissing } from "../../../src/sessions/tools/end-missing.ts";
import { type ImportOptions, importSessions } from "../../../src/sessions/tools/import.ts";
import type { Toolbox } from "../../../src/sessions/tools/toolbox.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import { type Instance, startInstance } from "../../support/session-store.ts";
import { callsOf, type StoreCalls, sessionOf } from "../../support/store-calls.ts";
import { type OpenToolbox, openToolbox } from "../../support/toolbox.ts";
import { until } from "../../support/until.ts";

const day = 86_400_000;

describe("the import of what a stock connect-redis wrote", () => {
  const mongo = mongoUrl("tools-import");
  let redis: RedisServer;
  let server: Instance;
  let tools: OpenToolbox;
  let client: ReturnType<typeof createClient>;
  let stock: StoreCalls;
  const bring = (options: ImportOptions = {}, box = tools.box) => importSessions(box, { rate: 100_000, ...options });
  const sessions = () => server.client.db().collection<{ _id: string; expires: Date; session: string }>("sessions");
  let test = 0;
  /** Another one in each test: what is ended is looked after for a while. */
  const id = (name: string) => `${name}-${test}`;
  const exists = (id: string) => redis.ask("EXISTS", `session:${id}`);

  beforeAll(async () => {
    redis = await startRedisServer();
    // A busy machine must not make it doubt: which server answers is looked at.
    server = await startInstance({
      mongoUrl: mongo,
      redisUrl: redis.url,
      timing: { epochTrust: 8_000, behind: 8_000 },
      env: { REDIS_DEADLINE: "5s", REDIS_REQUEST_BUDGET: "5s", REDIS_WATCHDOG: "8s" },
    });
    tools = await openToolbox(mongo, redis.url);
    client = createClient({ url: redis.url });
    await client.connect();
    stock = callsOf(new RedisStore({ client, prefix: "session:" }));
    await server.trusting();
  });
  beforeEach(async () => {
    test += 1;
    await server.calls.clear();
    await server.client.db().collection("sessions_ended").deleteMany({});
    const keys = (await redis.ask("KEYS", "session:*")) as unknown as string[];
    if (keys.length > 0) await redis.ask("DEL", ...keys);
  });
  afterAll(async () => {
    client.destroy();
    await tools.close();
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("makes sessions of them that every server answers, with the life of their keys", async () => {
    await stock.set(id("fresh"), sessionOf(day / 2, { n: 1 }));
    await redis.ask("PEXPIRE", `session:${id("fresh")}`, day / 4);
    const done = await bring();
    expect(done).toMatchObject({ keys: 1, created: 1, updated: 0, busy: 0, stopped: false });
    expect(await server.calls.get(id("fresh"))).toMatchObject({ n: 1 });
    const document = await sessions().findOne({ _id: id("fresh") });
    expect(Math.abs((document?.expires.getTime() ?? 0) - Date.now() - day / 4)).toBeLessThan(60_000);
    expect(JSON.parse(document?.session ?? "")).toMatchObject({ n: 1 });
    expect(server.counts("operation", "result")["get redis hit"]).toBe(1);
    expect(await bring()).toMatchObject({ created: 0, ours: 1 });
  });

  it("takes the one that was used last for the newer one", async () => {
    await server.calls.set(id("theirs"), sessionOf(day / 2, { n: "ours" }));
    await server.calls.set(id("ours"), sessionOf(day, { n: "ours" }));
    await stock.set(id("theirs"), sessionOf(day, { n: "theirs" }));
    await stock.set(id("ours"), sessionOf(day / 2, { n: "theirs" }));
    expect(await bring()).toMatchObject({ updated: 1, older: 1 });
    expect(await server.calls.get(id("theirs"))).toMatchObject({ n: "theirs" });
    expect(await server.calls.get(id("ours"))).toMatchObject({ n: "ours" });
    await server.calls.set(id("theirs"), sessionOf(day, { n: "later" }));
    expect(await server.calls.get(id("theirs"))).toMatchObject({ n: "later" });
  });

  it("leaves what is the same in both as it is", async () => {
    const session = sessionOf(day, { n: 1 });
    await server.calls.set(id("same"), session);
    const before = await sessions().findOne({ _id: id("same") });
    await stock.set(id("same"), session);
    expect(await bring()).toMatchObject({ same: 1, updated: 0 });
    expect(await sessions().findOne({ _id: id("same") })).toEqual(before);
    expect(await server.calls.get(id("same"))).toMatchObject({ n: 1 });
  });

  it("never brings back what was destroyed here", async () => {
    await server.calls.set(id("ended"), sessionOf(day));
    await server.calls.destroy(id("ended"));
    // The server hears of the end a moment later, and takes away what it finds then.
    await until(async () => {
      await stock.set(id("ended"), sessionOf(day));
      const { ended, created } = await bring();
      expect(created).toBe(0);
      return ended === 1;
    });
    expect(await server.calls.get(id("ended"))).toBeNull();
    expect(await exists(id("ended"))).toBe(0);
  });

  it("never overwrites what is written while it looks", async () => {
    await server.calls.set(id("busy"), sessionOf(day / 2, { n: 1 }));
    await stock.set(id("busy"), sessionOf(day, { n: 2 }));
    const { box } = tools;
    const get: Toolbox["copies"]["get"] = async (one) => {
      const seen = await box.copies.get(one);
      await server.calls.set(id("busy"), sessionOf(day, { n: 3 }));
      return seen;
    };
    const done = await bring({}, { ...box, copies: { ...box.copies, get } });
    expect(done.updated).toBe(0);
    expect(await server.calls.get(id("busy"))).toMatchObject({ n: 3 });
  });

  it("makes no session of a key that is taken away while it looks", async () => {
    await stock.set(id("leaving"), sessionOf(day));
    const { box } = tools;
    const encode: Toolbox["codec"]["encode"] = async (session) => {
      await stock.destroy(id("leaving"));
      return box.codec.encode(session);
    };
    expect(await bring({}, { ...box, codec: { ...box.codec, encode } })).toMatchObject({ created: 0, busy: 1 });
    expect(await sessions().findOne({ _id: id("leaving") })).toBeNull();
  });

  it("leaves alone what is not a session, and changes nothing when it only counts", async () => {
    await redis.ask("SET", "session:text", "no session");
    await redis.ask("SET", "session:list", "[1]");
    await stock.set(id("fresh"), sessionOf(day));
    expect(await bring({ dryRun: true })).toMatchObject({ keys: 3, unreadable: 2, created: 1 });
    expect(await sessions().countDocuments()).toBe(0);
    expect(await bring()).toMatchObject({ unreadable: 2, created: 1 });
    expect(await exists("text")).toBe(1);
  });

  it("ends, when asked to, what was logged out while connect-redis served alone", async () => {
    for (const one of [id("in"), id("out")]) await server.calls.set(one, sessionOf(day));
    await stock.set(id("in"), sessionOf(day));
    await stock.set(id("new"), sessionOf(day));
    await stock.destroy(id("out"));
    expect(await endMissing(tools.box, { dryRun: true })).toBe(1);
    expect(await endMissing(tools.box)).toBe(1);
    await bring();
    // Even when it was stopped and is run again: what was brought in still has a key.
    expect(await endMissing(tools.box)).toBe(0);
    expect(await server.calls.get(id("out"))).toBeNull();
    for (const one of [id("in"), id("new")]) expect(await server.calls.get(one)).not.toBeNull();
  });
});
