import session, { type SessionData } from "express-session";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { gateDb, gateDoor, gated, type Life, type Run } from "../support/gate.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { replacing } from "../support/replacing.ts";
import { type Db, type Instance, type InstanceOptions, startInstance } from "../support/session-store.ts";
import { sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;
const url = mongoUrl("races");
/** What was seen is forgotten at once, so that nothing but the copies themselves is tested. */
const forgetful = { floor: 20, epochPoll: 25, epochTrust: 8_000, behind: 8_000, bumpEvery: 60, settle: 60, doubt: 200 };
// A busy machine is not Redis's fault.
const patient = { REDIS_DEADLINE: "5s", REDIS_WATCHDOG: "8s" };
let redis: RedisServer;
let serial = 0;
const opened: Instance[] = [];
const alive = new Map<Instance, Life>();

beforeAll(async () => {
  redis = await startRedisServer();
});
afterEach(async () => {
  redis.thaw();
  await redis.relieve();
  alive.clear();
  for (const one of opened.splice(0)) await one.close();
});
afterAll(async () => {
  await redis?.close();
  await dropDatabase(url);
});

function newSid(): string {
  serial += 1;
  return `race-${serial}`;
}

async function start(options: Partial<InstanceOptions> & { life?: Life } = {}): Promise<Instance> {
  const { life = { dead: false }, ...rest } = options;
  const one = await startInstance({
    mongoUrl: url,
    redisUrl: redis.url,
    timing: forgetful,
    wrap: { door: (door) => gateDoor(door, life), db: (db) => gateDb(db, life) },
    env: patient,
    ...rest,
  });
  opened.push(one);
  alive.set(one, life);
  await agreed();
  return one;
}

/** Everybody who lives trusts copies of the same epoch. */
async function agreed(): Promise<void> {
  await until(() => {
    const stats = [...alive].filter(([, { dead }]) => !dead).map(([{ store }]) => store.stats());
    return stats.every(({ epoch, epochDue }) => epoch > 0 && epoch === stats[0]?.epoch && !epochDue);
  });
  for (const [one, { dead }] of alive) if (!dead) await one.trusting();
}

/** Starts `work`, and stops it where its call of this name would go out, until `go`. */
async function stopped(before: string, work: () => Promise<unknown>) {
  let go = () => {};
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const enter = (_: Run, leg: string) => {
    if (leg !== before) return Promise.resolve();
    arrive();
    return new Promise<void>((resolve) => {
      go = resolve;
    });
  };
  const { done, run } = gated("stopped", enter, work);
  done.catch(() => {});
  await Promise.race([arrived, done]);
  return {
    async go() {
      const { legs } = run;
      await arrived;
      go();
      await done;
      // What goes on beside the answer.
      await until(() => run.legs > legs && run.active === 0);
    },
  };
}

/** What is read from Redis, when everything else has been forgotten. */
async function read(one: Instance, sid: string): Promise<unknown> {
  await one.trusting();
  const later = performance.now() + 3 * forgetful.floor;
  await until(() => performance.now() > later);
  // Only whoever looks at something else forgets.
  await one.calls.set(newSid(), sessionOf(day));
  await until(() => one.store.stats().unsettled === 0);
  await one.trusting();
  return (await one.calls.get(sid))?.n ?? null;
}

async function withCopy(one: Instance, fields: Record<string, unknown>): Promise<string> {
  const sid = newSid();
  await one.calls.set(sid, sessionOf(day, fields));
  await until(async () => {
    await one.calls.get(sid);
    const text = String(await redis.ask("GET", `session:${sid}`));
    return one.store.stats().unsettled === 0 && text.includes(` ${one.store.stats().epoch} `);
  });
  return sid;
}

describe("a fill that comes late", () => {
  it("does not replace what was saved meanwhile", async () => {
    const one = await start();
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    const fill = await stopped("redis session.fill", () => one.calls.get(sid));
    await one.calls.set(sid, sessionOf(day, { n: 2 }));
    await fill.go();
    expect(await read(one, sid)).toBe(2);
  });

  it("does not bring back what was ended meanwhile", async () => {
    // What is dropped once more for other reasons is dropped later.
    const one = await start({ timing: { ...forgetful, settle: 60_000 } });
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    const fill = await stopped("redis session.fill", () => one.calls.get(sid));
    await one.calls.destroy(sid);
    await until(() => one.counts("followed", "change").deleted);
    await fill.go();
    expect(await read(one, sid)).toBeNull();
  });

  it("is not believed when the epoch was raised while it was under way", async () => {
    const one = await start();
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    const fill = await stopped("redis session.fill", () => one.calls.get(sid));
    // As if somebody else's save had failed to reach Redis.
    const documents = one.client.db().collection("sessions");
    const { epoch } = one.store.stats();
    await documents.updateOne(
      { _id: sid as never },
      { $set: { v: `${"f".repeat(13)}-${one.store.parts.versions.instance}` } },
    );
    one.store.parts.trust.legFailed({ ok: false, reason: "deadline", unknownOutcome: true });
    await until(() => one.store.stats().epoch > epoch);
    await fill.go();
    const text = String(await redis.ask("GET", `session:${sid}`));
    expect(text).toMatch(/"~":"\d+[ d]\d+ /);
    expect(text).not.toContain(` ${one.store.stats().epoch} `);
  });
});

describe("a fill whose session was read before the epoch was raised", () => {
  it("is not believed, however soon the new epoch is known here", async () => {
    const late: { waiting?: true; until?: Promise<void> } = {};
    const answersLate = (db: Db) =>
      replacing(db, "collection", (name: string) => {
        const documents = db.collection(name);
        if (name !== "sessions") return documents;
        return replacing(documents, "findOne", async (...args: Parameters<typeof documents.findOne>) => {
          const found = await documents.findOne(...args);
          if (late.until) late.waiting = true;
          await late.until;
          return found;
        });
      });
    const one = await start({ wrap: { db: answersLate } });
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    let go = () => {};
    late.until = new Promise((resolve) => {
      go = resolve;
    });
    const reading = one.calls.get(sid);
    await until(() => late.waiting);
    const { epoch } = one.store.stats();
    one.store.parts.trust.legFailed({ ok: false, reason: "deadline", unknownOutcome: true });
    await until(() => one.store.stats().epoch > epoch);
    go();
    await reading;
    await until(() => one.store.stats().unsettled === 0);
    expect(String(await redis.ask("GET", `session:${sid}`))).toContain(` ${epoch} `);
  });
});

describe("a session that somebody else touches while it is being made", () => {
  /** Stopped before its first copy is written. */
  async function making(one: Instance, sid: string) {
    session({ store: one.store, secret: "not told", resave: false, saveUninitialized: false, genid: () => sid });
    const req = { headers: {} } as unknown as { session: SessionData };
    (one.store as unknown as { generate(req: unknown): void }).generate(req);
    req.session.cookie.maxAge = day;
    return stopped("redis session.put", () => one.calls.set(sid, req.session));
  }
  const documentsOf = (one: Instance) => one.client.db().collection<{ _id: string }>("sessions");

  async function ended(one: Instance, sid: string) {
    expect(await documentsOf(one).deleteOne({ _id: sid })).toMatchObject({ deletedCount: 1 });
    await until(() => one.counts("followed", "change").deleted);
  }

  it("has no copy of what it was before an old server changed it", async () => {
    const one = await start({ timing: { ...forgetful, settle: 60_000 } });
    const sid = newSid();
    const save = await making(one, sid);
    const changed = { session: JSON.stringify(sessionOf(day, { n: 2 })), expires: new Date(Date.now() + day) };
    await documentsOf(one).updateOne({ _id: sid }, { $set: changed });
    await until(() => one.counts("followed", "change").foreign);
    await save.go();
    expect(await read(one, sid)).toBe(2);
  });

  it("has no copy that lives longer than an old server has said", async () => {
    const one = await start({ timing: { ...forgetful, settle: 60_000 } });
    const sid = newSid();
    const save = await making(one, sid);
    await documentsOf(one).updateOne({ _id: sid }, { $set: { expires: new Date(Date.now() + 60_000) } });
    await until(() => one.counts("followed", "change").shortened);
    await save.go();
    expect(await redis.ask("EXISTS", `session:${sid}`)).toBe(0);
  });

  it("has none when it was ended", async () => {
    const one = await start({ timing: { ...forgetful, settle: 60_000 } });
    const sid = newSid();
    const save = await making(one, sid);
    await ended(one, sid);
    await save.go();
    expect(await redis.ask("EXISTS", `session:${sid}`)).toBe(0);
  });

  it("loses it by the others, when it was ended and its maker has not heard of that", async () => {
    const [other, maker] = [await start({ timing: { ...forgetful, settle: 1_000 } }), await startDeaf()];
    const sid = newSid();
    const save = await making(maker, sid);
    await ended(other, sid);
    await save.go();
    await until(async () => (await redis.ask("EXISTS", `session:${sid}`)) === 0);
    expect(await read(other, sid)).toBeNull();
  });

  it("loses it by its maker when it is written so late that nobody looks after it any more", async () => {
    const [other, maker] = [await start(), await startDeaf()];
    const sid = newSid();
    const save = await making(maker, sid);
    await ended(other, sid);
    await until(() => other.counts("followed", "change").settled);
    await save.go();
    expect(await redis.ask("EXISTS", `session:${sid}`)).toBe(0);
    expect(await read(other, sid)).toBeNull();
  });

  /** It writes copies, and hears nothing of what others do. */
  async function startDeaf(): Promise<Instance> {
    const life: Life = { dead: false };
    let deaf = false;
    const deafened = (db: Db) =>
      replacing(db, "collection", (name: string) => {
        const documents = db.collection(name);
        if (name !== "sessions") return documents;
        return replacing(documents, "watch", (...args: Parameters<typeof documents.watch>) => {
          const stream = documents.watch(...args);
          return replacing(stream, "tryNext", async () => {
            if (deaf) throw new Error("deaf");
            return stream.tryNext();
          });
        });
      });
    const one = await start({ life, wrap: { door: (door) => gateDoor(door, life), db: deafened } });
    deaf = true;
    await until(() => !one.store.stats().streamLive);
    return one;
  }
});

describe("an instance that stands alone", () => {
  it("writes no copy for a session that another one might have ended", async () => {
    const one = await start();
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    const session = (await one.calls.get(sid)) ?? sessionOf(day);
    await until(() => one.store.stats().unsettled === 0);
    await redis.ask("DEL", `session:${sid}`);
    const save = await stopped("redis session.put", () => one.calls.set(sid, { ...session, n: 2 }));
    await one.client
      .db()
      .collection("sessions")
      .deleteOne({ _id: sid as never });
    await until(() => one.counts("followed", "change").deleted);
    await save.go();
    expect(await redis.ask("EXISTS", `session:${sid}`)).toBe(0);
  });

  it("is not misled by a save that was begun while Redis was out and done when it was back", async () => {
    const one = await start();
    const sid = await withCopy(one, { n: 1 });
    const session = (await one.calls.get(sid)) ?? sessionOf(day);
    await one.door.disable(true, "the test");
    const save = await stopped("mongo updateOne", () => one.calls.set(sid, Object.assign(session, { n: 2 })));
    await one.door.disable(false, "the test");
    await one.trusting();
    await until(async () => {
      await one.calls.get(sid);
      const text = String(await redis.ask("GET", `session:${sid}`));
      return text.includes(` ${one.store.stats().epoch} `);
    });
    await save.go();
    await until(() => one.counts("followed", "change")["no redis"]);
    expect(await read(one, sid)).toBe(2);
  });
});

describe("an instance that dies between MongoDB and Redis", () => {
  it("leaves nothing old behind for the others", async () => {
    const life: Life = { dead: false };
    const mortal = await start({ life });
    const other = await start();
    const sid = await withCopy(mortal, { n: 1 });
    const session = (await mortal.calls.get(sid)) ?? sessionOf(day);
    await stopped("redis session.put", () => mortal.calls.set(sid, Object.assign(session, { n: 2 })));
    life.dead = true;
    const { epoch } = other.store.stats();
    // On a busy machine MongoDB may have been asked before.
    await until(async () => (await other.calls.get(sid))?.n === 2 && other.counts("followed", "change").settled);
    expect(other.store.stats().epoch).toBe(epoch);
  });

  it("leaves nothing old behind for the one that takes its place", async () => {
    const life: Life = { dead: false };
    const mortal = await start({ life });
    const sid = await withCopy(mortal, { n: 1 });
    const session = (await mortal.calls.get(sid)) ?? sessionOf(day);
    await stopped("redis session.put", () => mortal.calls.set(sid, Object.assign(session, { n: 2 })));
    life.dead = true;
    const next = await start();
    expect(await read(next, sid)).toBe(2);
  });

  it("has not written Redis before MongoDB knew", async () => {
    const life: Life = { dead: false };
    const mortal = await start({ life });
    const sid = await withCopy(mortal, { n: 1 });
    const session = (await mortal.calls.get(sid)) ?? sessionOf(day);
    await stopped("mongo updateOne", () => mortal.calls.set(sid, Object.assign(session, { n: 2 })));
    life.dead = true;
    expect(String(await redis.ask("GET", `session:${sid}`))).toContain('"n":1');
  });
});

describe("an instance whose dial is turned", () => {
  it("shows nothing older from Redis than it has shown from MongoDB", async () => {
    const writer = await start();
    const reader = await start({ timing: { ...forgetful, floor: 60_000, settle: 60_000 }, dial: { percent: 0 } });
    const sid = await withCopy(writer, { n: 1 });
    const session = (await writer.calls.get(sid)) ?? sessionOf(day);
    const save = await stopped("redis session.put", () => writer.calls.set(sid, Object.assign(session, { n: 2 })));
    expect((await reader.calls.get(sid))?.n).toBe(2);
    reader.dial.set({ percent: 100 });
    await reader.trusting();
    await until(async () => {
      expect((await reader.calls.get(sid))?.n).toBe(2);
      return reader.counts("fallback", "reason").older;
    });
    await save.go();
  });
});

describe("without a replica set", () => {
  let mongod: OwnMongod;
  beforeAll(async () => {
    mongod = await startMongod({ replicaSet: false });
  });
  afterAll(() => mongod?.remove());

  it("every read is put to MongoDB, so that what others do is seen at once", async () => {
    const one = await startInstance({
      mongoUrl: mongod.url,
      redisUrl: redis.url,
      prefix: "session:alone:",
      env: patient,
    });
    opened.push(one);
    await until(() => one.store.stats().epoch > 0 && one.door.state === "up");
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    const documents = one.client.db().collection("sessions");
    for (let n = 2; n < 6; n += 1) {
      await documents.updateOne({ _id: sid as never }, { $set: { session: JSON.stringify(sessionOf(day, { n })) } });
      expect((await one.calls.get(sid))?.n).toBe(n);
    }
    expect(one.counts("fallback", "reason").stream).toBeGreaterThan(0);
  });

  it("what an old server writes back after its end is taken away by whoever reads it", async () => {
    const one = await startInstance({ mongoUrl: mongod.url, redisUrl: redis.url, prefix: "session:alone:" });
    opened.push(one);
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    await one.calls.destroy(sid);
    const documents = one.client.db().collection<{ _id: string }>("sessions");
    await documents.insertOne({
      _id: sid,
      session: JSON.stringify(sessionOf(day)),
      expires: new Date(Date.now() + day),
    } as never);
    expect(await one.calls.get(sid)).toBeNull();
    expect(await documents.countDocuments({ _id: sid })).toBe(0);
  });
});

describe("when nothing answers", () => {
  let proxy: TcpProxy;
  beforeAll(async () => {
    proxy = await startProxy(Number(/:(\d+)\//.exec(url)?.[1]));
  });
  afterAll(() => proxy?.close());

  it("every call is answered once, by an error, within its deadline", async () => {
    const name = new URL(url).pathname;
    const one = await start({
      mongoUrl: `mongodb://127.0.0.1:${proxy.port}${name}?directConnection=true`,
      deadlines: { operationMs: 800 },
      env: {},
    });
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day));
    proxy.set({ kind: "blackHole" });
    redis.freeze();
    const answers: { what: string; ms: number; error: unknown }[] = [];
    const begun = performance.now();
    const note = (what: string) => (error: unknown) => {
      answers.push({ what, ms: performance.now() - begun, error });
    };
    one.store.get(sid, note("get"));
    one.store.set(sid, sessionOf(day), note("set"));
    one.store.touch(newSid(), sessionOf(day), note("touch"));
    one.store.destroy(newSid(), note("destroy"));
    one.store.all(note("all"));
    one.store.length(note("length"));
    one.store.clear(note("clear"));
    await until(() => answers.length === 7);
    proxy.set({ kind: "none" });
    redis.thaw();
    await one.trusting();
    expect(answers).toHaveLength(7);
    for (const { error, ms } of answers) {
      expect(error).toMatchObject({ code: "UNAVAILABLE" });
      expect(ms).toBeLessThan(8_000);
    }
  });
});
