import { RedisStore } from "connect-redis";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BackfillOptions, backfillSessions } from "../../../src/sessions/tools/backfill.ts";
import type { Toolbox } from "../../../src/sessions/tools/toolbox.ts";
import { verifySessions } from "../../../src/sessions/tools/verify.ts";
import { dropDatabase, mongoUrl } from "../../support/databases.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import { type Instance, startInstance } from "../../support/session-store.ts";
import { callsOf, sessionOf } from "../../support/store-calls.ts";
import { type OpenToolbox, openToolbox } from "../../support/toolbox.ts";
import { until } from "../../support/until.ts";

const day = 86_400_000;
const fast = { rate: 100_000 };
// Nothing but what a test does is to raise the epoch, however slow the machine is.
const env = { REDIS_DEADLINE: "10s", REDIS_REQUEST_BUDGET: "10s", REDIS_WATCHDOG: "10s" };

describe("the backfill", () => {
  const mongo = mongoUrl("tools-backfill");
  let redis: RedisServer;
  let server: Instance;
  let tools: OpenToolbox;
  let test = 0;
  /** Another one in each test: what is ended is looked after for a while. */
  const id = (n: number) => `s${test}-${String(n).padStart(4, "0")}`;
  const backfill = (options: BackfillOptions = {}, box = tools.box) => backfillSessions(box, { ...fast, ...options });
  const verify = () => verifySessions(tools.box, { settleMs: 150 });
  const copies = async () => Number(await redis.ask("DBSIZE"));
  const keys = async () => ((await redis.ask("KEYS", "session:*")) as unknown as string[]).length;

  async function mint(count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, n) => n);
    await Promise.all(ids.map((n) => server.calls.set(id(n), sessionOf(day, { n }))));
    await until(() => server.store.stats().unsettled === 0 && !server.store.stats().epochDue);
  }
  /** The same box, in which something happens before the copy of that session is written. */
  function beforeCopy(wanted: string, happens: () => Promise<unknown>): Toolbox {
    const { box } = tools;
    const fill: Toolbox["copies"]["fill"] = async (one, ...rest) => {
      if (one === wanted) await happens();
      return box.copies.fill(one, ...rest);
    };
    return { ...box, copies: { ...box.copies, fill } };
  }

  beforeAll(async () => {
    redis = await startRedisServer();
    server = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, dial: { percent: 0 }, env });
    tools = await openToolbox(mongo, redis.url, { leaseMs: 300 });
    await server.trusting();
  });
  beforeEach(async () => {
    server.dial.set({ percent: 0 });
    await until(() => server.store.stats().unsettled === 0);
    await server.calls.clear();
    test += 1;
    expect(await keys()).toBe(0);
  });
  afterAll(async () => {
    await tools.close();
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("copies every living session so that a stock connect-redis could take over", async () => {
    await mint(250);
    await server.client
      .db()
      .collection<{ _id: string }>("sessions")
      .insertOne({ _id: "dead", ...expired() });
    const seen: number[] = [];
    const done = await backfill({ onProgress: ({ done, total }) => seen.push(done / (total ?? 0)) });
    expect(done).toMatchObject({ sessions: 250, copied: 250, swept: 0, resumedAt: 0, stopped: false });
    expect(seen.at(-1)).toBe(1);
    expect(await verify()).toMatchObject({ clean: true, complete: true });

    const client = createClient({ url: redis.url, prefix: "" } as object);
    await client.connect();
    try {
      const stock = callsOf(new RedisStore({ client, prefix: "session:" } as never));
      expect(await stock.get(id(42))).toMatchObject({ n: 42, cookie: { originalMaxAge: day } });
      expect(Number(await redis.ask("TTL", `session:${id(42)}`))).toBeGreaterThan(86_300);
    } finally {
      client.destroy();
    }
    server.dial.set({ percent: 100 });
    await until(async () => {
      expect(await server.calls.get(id(42))).toMatchObject({ n: 42 });
      return server.counts("operation", "result")["get redis hit"];
    });
    expect(server.counts("operation", "result")["get mongo miss"]).toBeUndefined();
  });

  it("goes on where it was stopped", async () => {
    await mint(300);
    const stop = new AbortController();
    const first = await backfill({ signal: stop.signal, onProgress: () => stop.abort() });
    expect(first).toMatchObject({ stopped: true, sessions: 100, copied: 100 });
    const second = await backfill();
    expect(second).toMatchObject({ stopped: false, resumedAt: 100, sessions: 300, copied: 200 });
    expect(await verify()).toMatchObject({ complete: true });
    expect(await backfill()).toMatchObject({ resumedAt: 0, copied: 300 });
  });

  it("begins again when what it copied is not believed any more", async () => {
    await mint(300);
    const stop = new AbortController();
    await backfill({ signal: stop.signal, onProgress: () => stop.abort() });
    const { epoch } = server.store.parts.trust;
    const before = epoch.value;
    epoch.renew("a test", "now");
    await until(() => epoch.value > before);
    expect(await backfill()).toMatchObject({ resumedAt: 0, copied: 300 });

    let raised = false;
    const onProgress = () => {
      if (!raised) epoch.renew("a test", "now");
      raised = true;
    };
    const done = await backfill({ rate: 150, onProgress });
    expect(done.rounds).toBeGreaterThan(1);
    expect(done).toMatchObject({ sessions: 300, copied: 300, resumedAt: 0 });
    expect(await verify()).toMatchObject({ complete: true });
  });

  it("never overwrites what is newer than what it has read", async () => {
    await mint(3);
    server.dial.set({ percent: 100 });
    const box = beforeCopy(id(1), () => server.calls.set(id(1), sessionOf(day, { n: "newer" })));
    await backfill({}, box);
    expect(await server.calls.get(id(1))).toMatchObject({ n: "newer" });
    expect(await verify()).toMatchObject({ clean: true });
  });

  it("never brings back what was destroyed", async () => {
    await mint(3);
    const box = beforeCopy(id(1), () => server.calls.destroy(id(1)));
    const done = await backfill({}, box);
    expect(done).toMatchObject({ copied: 2, gone: 1 });
    expect(await redis.ask("EXISTS", `session:${id(1)}`)).toBe(0);
    const sessions = server.client.db().collection<{ _id: string }>("sessions");
    const document = { expires: new Date(Date.now() + day), session: JSON.stringify(sessionOf(day)) };
    await server.client.db().collection<{ _id: string }>("sessions_ended").insertOne({ _id: "s9999" });
    await sessions.insertOne({ _id: "s9999", ...document });
    await backfill();
    expect(await redis.ask("EXISTS", "session:s9999")).toBe(0);
  });

  it("takes away copies of no session, but none that somebody else wrote", async () => {
    await mint(2);
    await backfill();
    const copy = String(await redis.ask("GET", `session:${id(1)}`));
    await redis.ask("SET", "session:orphan", copy);
    await redis.ask("SET", "session:stock", JSON.stringify(sessionOf(day)));
    expect((await backfill()).swept).toBe(1);
    expect(await redis.ask("EXISTS", "session:orphan")).toBe(0);
    expect(await redis.ask("DEL", "session:stock")).toBe(1);
  });

  it("only counts when asked to", async () => {
    await mint(5);
    const before = await copies();
    expect(await backfill({ dryRun: true })).toMatchObject({ sessions: 5, copied: 0 });
    expect(await copies()).toBe(before);
  });

  it("copies those that were busy once more, when they are not", async () => {
    await mint(3);
    const lease = tools.box.copies.lease(id(2), "somebody");
    expect(await lease).toMatchObject({ ok: true, value: true });
    expect(await backfill()).toMatchObject({ sessions: 3, copied: 3, outrun: 0 });
    expect(await verify()).toMatchObject({ complete: true });
  });

  it("keeps to its rate", async () => {
    await mint(300);
    const begun = performance.now();
    await backfill({ rate: 400 });
    expect(performance.now() - begun).toBeGreaterThan(450);
  });

  it("is right in the end whatever others do meanwhile", { timeout: 40_000 }, async () => {
    await mint(200);
    server.dial.set({ percent: 100 });
    const last = new Map<string, number>(Array.from({ length: 200 }, (_, n) => [id(n), n]));
    let over = false;
    const worker = async (first: number) => {
      for (let step = first; !over; step += 7) {
        const one = id(step % 200);
        if (step % 5 === 0) {
          await server.calls.destroy(one);
          last.delete(one);
        } else if (last.has(one)) {
          await server.calls.set(one, sessionOf(day, { n: step }));
          last.set(one, step);
        }
      }
    };
    const working = Promise.all([worker(0), worker(1), worker(2)]);
    for (let round = 0; round < 3; round += 1) await backfill({ rate: 1_000 });
    over = true;
    await working;
    await until(() => server.store.stats().unsettled === 0);
    expect(await verify()).toMatchObject({ clean: true });
    for (const [one, n] of last) expect(await server.calls.get(one)).toMatchObject({ n });
    const ended = Array.from({ length: 200 }, (_, n) => id(n)).filter((one) => !last.has(one));
    expect(ended.length).toBeGreaterThan(0);
    for (const one of ended) expect(await server.calls.get(one)).toBeNull();
  });
});

function expired(): object {
  const cookie = { originalMaxAge: 1, expires: new Date(Date.now() - 1_000) };
  return { expires: new Date(Date.now() - 1_000), session: JSON.stringify({ cookie }) };
}

describe("the backfill while Redis is out", () => {
  const mongo = mongoUrl("tools-backfill-out");
  let redis: RedisServer;
  let server: Instance;
  let tools: OpenToolbox;
  beforeEach(async () => {
    redis = await startRedisServer();
    server = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, dial: { percent: 0 }, env });
    tools = await openToolbox(mongo, redis.url);
    await server.trusting();
  });
  afterEach(async () => {
    await tools.close();
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("waits for it to come back, and then copies everything", { timeout: 40_000 }, async () => {
    const ids = Array.from({ length: 300 }, (_, n) => `s${n}`);
    await Promise.all(ids.map((id) => server.calls.set(id, sessionOf(day))));
    let killed: Promise<void> | undefined;
    const onProgress = () => {
      killed ??= redis.kill().then(() => redis.start());
    };
    const done = await backfillSessions(tools.box, { ...fast, onProgress });
    await killed;
    expect(done.stopped).toBe(false);
    await server.trusting();
    await backfillSessions(tools.box, fast);
    expect(await verifySessions(tools.box, { settleMs: 150 })).toMatchObject({ clean: true, complete: true });
  });

  it("gives up after a while, and says what to do", async () => {
    await server.calls.set("s1", sessionOf(day));
    const impatient = await openToolbox(mongo, redis.url, { patienceMs: 100 });
    await redis.kill();
    await expect(backfillSessions(impatient.box, fast)).rejects.toThrow(
      /^Redis gives no answer \(down: .+\)\. Run this again when it does\.$/,
    );
    await impatient.close();
  });
});
