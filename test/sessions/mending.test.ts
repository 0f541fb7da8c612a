import session, { type SessionData } from "express-session";
import mongoose from "mongoose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { RedisDoor, Script } from "../../src/redis/types.ts";
import { importSessions } from "../../src/sessions/tools/import.ts";
import { createToolbox } from "../../src/sessions/tools/toolbox.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { replacing } from "../support/replacing.ts";
import { type Db, type Instance, type InstanceOptions, startInstance } from "../support/session-store.ts";
import { sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;
const url = mongoUrl("mending");
/** What was seen is forgotten at once, so that nothing but the copies themselves is tested. */
const forgetful = { floor: 20, epochPoll: 25, epochTrust: 8_000, behind: 8_000, bumpEvery: 60, settle: 60, doubt: 200 };
const patient = { REDIS_DEADLINE: "5s", REDIS_WATCHDOG: "8s" };

type Raw = { _id: string; session?: string; expires?: Date };
type Collection = ReturnType<Db["collection"]>;
type Method = (real: Collection, ...args: never[]) => unknown;

let redis: RedisServer;
let raw: mongoose.mongo.MongoClient;
let serial = 0;
const opened: Instance[] = [];
const documents = () => raw.db().collection<Raw>("sessions");
const keyOf = (sid: string) => `session:${sid}`;
const hasCopy = async (sid: string) => (await redis.ask("EXISTS", keyOf(sid))) === 1;
const newSid = () => `mend-${++serial}`;

beforeAll(async () => {
  redis = await startRedisServer();
  raw = await mongoose.mongo.MongoClient.connect(url);
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
afterAll(async () => {
  await redis?.close();
  await raw?.close();
  await dropDatabase(url);
});

async function start(options: Partial<InstanceOptions> = {}): Promise<Instance> {
  const about = { mongoUrl: url, redisUrl: redis.url, env: patient, timing: forgetful };
  const one = await startInstance({ ...about, ...options });
  opened.push(one);
  await one.trusting();
  return one;
}

/** One method of one collection goes another way. */
const onCollection = (name: string, method: string, by: Method) => (db: Db) =>
  replacing(db, "collection", (asked: string) => {
    const real = db.collection(asked);
    return asked === name ? replacing(real, method, (...args: never[]) => by(real, ...args)) : real;
  });

/** A session of an old server, and its copy. */
async function copied(one: Instance, fields: Record<string, unknown> = {}): Promise<string> {
  const sid = newSid();
  const session = JSON.stringify(sessionOf(day, fields));
  await documents().insertOne({ _id: sid, session, expires: new Date(Date.now() + day) });
  await until(async () => {
    await one.calls.get(sid);
    return hasCopy(sid);
  });
  await one.trusting();
  return sid;
}

/** Answers of a script that are lost on the way, for keys that `lost` is told of. */
function losing(...names: string[]) {
  const lost = new Set<string>();
  const failed = { ok: false, reason: "deadline", unknownOutcome: true };
  const wrap = (door: RedisDoor) =>
    replacing(
      replacing(door, "script", async (script: Script, keys: string[], ...rest: [never]) => {
        const answer = await door.script(script, keys, ...rest);
        return names.includes(script.name) && lost.has(keys[0] ?? "") ? failed : answer;
      }),
      "call",
      async (name: string, ...rest: [never]) =>
        names.includes(name) && lost.size > 0 ? failed : door.call(name, ...rest),
    );
  return { lost, wrap: { door: wrap } };
}

/** What is read from Redis, when everything else has been forgotten. */
async function shown(one: Instance, sid: string) {
  const later = performance.now() + 3 * forgetful.floor;
  await until(() => performance.now() > later);
  await one.calls.set(newSid(), sessionOf(day));
  await one.trusting();
  return one.calls.get(sid);
}

describe("a write without an answer", () => {
  /** For these, MongoDB does it when nobody waits any more. */
  function late() {
    const sids = new Set<string>();
    const writes: (() => Promise<unknown>)[] = [];
    const updateOne = (real: Collection, ...args: Parameters<Collection["updateOne"]>) => {
      if (!sids.has(String(args[0]._id))) return real.updateOne(...args);
      writes.push(() => real.updateOne(...args));
      return Promise.reject(new mongoose.mongo.MongoNetworkTimeoutError("connection timed out"));
    };
    const happen = () => Promise.all(writes.splice(0).map((write) => write()));
    return { sids, happen, wrap: { db: onCollection("sessions", "updateOne", updateOne as Method) } };
  }

  it("is shown soon after it has happened all the same", async () => {
    const { sids, happen, wrap } = late();
    const one = await start({ wrap });
    const sid = newSid();
    await one.calls.set(sid, sessionOf(day, { n: 1 }));
    sids.add(sid);
    await expect(one.calls.set(sid, sessionOf(day, { n: 2 }))).rejects.toThrow();
    sids.delete(sid);
    // The copy of what was there before is made meanwhile.
    await until(async () => (await one.calls.get(sid)) !== null && hasCopy(sid));
    await happen();
    await until(async () => (await shown(one, sid))?.n === 2);
  });

  it("is looked for in MongoDB by who asks next", async () => {
    let fail = "";
    const updateOne = async (real: Collection, ...args: Parameters<Collection["updateOne"]>) => {
      const done = await real.updateOne(...args);
      if (String(args[0]._id) === fail) throw new mongoose.mongo.MongoNetworkTimeoutError("connection timed out");
      return done;
    };
    const remembering = { ...forgetful, floor: 4_000, doubt: 4_000 };
    const wrap = { db: onCollection("sessions", "updateOne", updateOne as Method) };
    const one = await start({ wrap, timing: remembering });
    const sid = await copied(one, { n: 1 });
    fail = sid;
    const session = await one.calls.get(sid);
    await expect(one.calls.set(sid, { ...session, n: 2 } as never)).rejects.toThrow();
    expect(await one.calls.get(sid)).toMatchObject({ n: 2 });
  });

  it("makes all copies old when there are very many of them", { timeout: 30_000 }, async () => {
    const { sids, wrap } = late();
    const one = await start({ wrap });
    const { epoch } = one.store.stats();
    const many = Array.from({ length: 1_001 }, newSid);
    for (const sid of many) sids.add(sid);
    await Promise.allSettled(many.map((sid) => one.calls.set(sid, sessionOf(day))));
    await until(() => one.store.stats().epoch > epoch, { timeoutMs: 20_000 });
  });

  it("is no reason to read other sessions from MongoDB, however often there is one", async () => {
    const { sids, wrap } = late();
    const one = await start({ wrap });
    const sid = await copied(one);
    const { epoch } = one.store.stats();
    const before = one.counts("operation", "result");
    const fallbacks = one.counts("fallback", "reason");
    for (let turn = 0; turn < 20; turn += 1) {
      const doubtful = newSid();
      sids.add(doubtful);
      await one.calls.set(doubtful, sessionOf(day)).catch(() => undefined);
      for (let n = 0; n < 5; n += 1) await one.calls.get(sid);
    }
    const hits = (counts: Record<string, number>) => counts["get redis hit"] ?? 0;
    expect(hits(one.counts("operation", "result")) - hits(before)).toBe(100);
    expect(one.counts("fallback", "reason")).toEqual(fallbacks);
    expect(one.store.stats().epoch).toBe(epoch);
  });
});

describe("a copy that could not be written in time", () => {
  it("is taken away, and the others are believed as before", async () => {
    const { lost, wrap } = losing("session.put");
    const one = await start({ wrap });
    const sid = await copied(one);
    const { epoch } = one.store.stats();
    lost.add(keyOf(sid));
    await one.calls.set(sid, sessionOf(day, { n: 2 }));
    await until(async () => !(await hasCopy(sid)));
    expect(await one.calls.get(sid)).toMatchObject({ n: 2 });
    expect(one.store.stats().epoch).toBe(epoch);
    expect(one.store.stats().epochDue).toBe(false);
  });

  it("makes all copies old when it was the first of its session, which may still come", async () => {
    const { lost, wrap } = losing("session.put");
    const one = await start({ wrap });
    const sid = newSid();
    session({ store: one.store, secret: "not told", resave: false, saveUninitialized: false, genid: () => sid });
    const req = { headers: {} } as unknown as { session: SessionData };
    (one.store as unknown as { generate(req: unknown): void }).generate(req);
    const { epoch } = one.store.stats();
    lost.add(keyOf(sid));
    await one.calls.set(sid, req.session);
    await until(() => one.store.stats().epoch > epoch);
  });

  it("is taken away when MongoDB knows of no such session", async () => {
    const one = await start();
    const sid = await copied(one);
    const copy = await redis.ask("GET", keyOf(sid));
    await documents().deleteOne({ _id: sid });
    await until(() => (one.counts("followed", "change").settled ?? 0) > 0);
    // As a fill from somewhere that had not heard of the end.
    await redis.ask("SET", keyOf(sid), String(copy), "PX", day);
    const revived = await shown(one, sid);
    expect(revived).not.toBeNull();
    await one.calls.touch(sid, { ...revived, ...sessionOf(day / 2) } as never);
    expect(await hasCopy(sid)).toBe(false);
    expect(await one.calls.get(sid)).toBeNull();
  });
});

it("a session that would keep Redis busy for long is not copied, and is read all the same", async () => {
  const one = await start();
  const sid = await copied(one);
  const { epoch } = one.store.stats();
  const large = "x".repeat(2 ** 20);
  await one.calls.set(sid, sessionOf(day, { large }));
  expect(await one.calls.get(sid)).toMatchObject({ large });
  await until(() => one.store.stats().unsettled === 0);
  expect(await hasCopy(sid)).toBe(false);
  expect(one.store.stats().epoch).toBe(epoch);
});

describe("an end that was brought forward", () => {
  const endOf = async (sid: string) => (await documents().findOne({ _id: sid }))?.expires?.getTime() ?? 0;

  /** As express-session touches: with a whole life from now on. */
  async function touch(one: Instance, sid: string): Promise<void> {
    const session = await one.calls.get(sid);
    expect(session).not.toBeNull();
    Object.assign(session?.cookie ?? {}, { expires: new Date(Date.now() + day) });
    await one.calls.touch(sid, session as never);
  }

  it("beside another's save is put off again by the next touch", async () => {
    const [one, two] = [await start(), await start()];
    const sid = await copied(two);
    const [mine, theirs] = [await one.calls.get(sid), await two.calls.get(sid)];
    await two.calls.set(sid, { ...theirs, n: 1 } as never);
    Object.assign(mine?.cookie ?? {}, { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) });
    await one.calls.touch(sid, mine as never);
    expect(await endOf(sid)).toBeLessThan(Date.now() + day / 2);
    await touch(two, sid);
    expect(await endOf(sid)).toBeGreaterThan(Date.now() + day / 2);
  });

  it("ends what was being copied meanwhile", async () => {
    const one = await start();
    const sid = await copied(one);
    await redis.ask("SET", `{${keyOf(sid)}}:fill`, "somebody");
    await documents().updateOne({ _id: sid }, { $set: { expires: new Date(Date.now() + 60_000) } });
    await until(async () => (await redis.ask("EXISTS", `{${keyOf(sid)}}:fill`)) === 0);
  });

  it("by somebody else's store is put off again by the next touch", async () => {
    const one = await start();
    const sid = await copied(one);
    await documents().updateOne({ _id: sid }, { $set: { expires: new Date(Date.now() + 60_000) } });
    await until(() => (one.counts("followed", "change").shortened ?? 0) > 0);
    await touch(one, sid);
    expect(await endOf(sid)).toBeGreaterThan(Date.now() + day / 2);
  });
});

describe("a logout", () => {
  it("is marked before the session is taken away, lest it be written back unseen in between", async () => {
    const order: string[] = [];
    const note =
      (what: string, method: "updateOne" | "deleteOne") =>
      async (real: Collection, ...args: never[]) => {
        const done = await (real[method] as (...args: never[]) => Promise<unknown>)(...args);
        order.push(what);
        return done;
      };
    const marks = onCollection("sessions_ended", "updateOne", note("marked", "updateOne"));
    const ends = onCollection("sessions", "deleteOne", note("gone", "deleteOne"));
    const one = await start({ wrap: { db: (db) => ends(marks(db)) } });
    const sid = await copied(one);
    await one.calls.destroy(sid);
    expect(order).toEqual(["marked", "gone"]);
  });

  it.each([
    ["of one", (one: Instance, sid: string) => one.calls.destroy(sid)],
    ["of all", (one: Instance) => one.calls.clear()],
  ])("%s while Redis is out is not undone by an import, when no old server runs any more", async (_, end) => {
    const one = await start({ dial: { oldServers: false } });
    const sid = newSid();
    const session = JSON.stringify(sessionOf(day, { user: "ann" }));
    await documents().insertOne({ _id: sid, session, expires: new Date(Date.now() + day) });
    // Else it is the insertion that takes the key away.
    await until(() => (one.counts("followed", "change").foreign ?? 0) > 0);
    await redis.ask("SET", keyOf(sid), session, "PX", day);
    await redis.ask("SAVE");
    await redis.kill();
    await until(() => one.door.state !== "up");
    await end(one, sid);
    await redis.start();
    await one.trusting();
    await importSessions(createToolbox({ db: one.client.db(), door: one.door }));
    expect(await shown(one, sid)).toBeNull();
    expect(await documents().findOne({ _id: sid })).toBeNull();
  });
});

it("a logout of which Redis never heard is remembered for as long as sessions live, when no old server runs any more", async () => {
  const { lost, wrap } = losing("session.drop");
  const lifeMs = 14 * day;
  const one = await start({ dial: { oldServers: false }, ttlSeconds: lifeMs / 1_000, wrap });
  const sid = await copied(one);
  lost.add(keyOf(sid));
  const from = Date.now();
  await one.calls.destroy(sid);
  const ended = raw.db().collection<{ _id: string; at: Date }>("sessions_ended");
  const mark = await until(async () => (await ended.findOne({ _id: sid })) ?? undefined);
  // MongoDB forgets it a day after that.
  expect(mark.at.getTime() + day).toBeGreaterThanOrEqual(from + lifeMs);
  expect(mark.at.getTime() + day).toBeLessThanOrEqual(Date.now() + lifeMs);
});

it("a clock that was ahead and was put right makes no save older than those of others", async () => {
  let ahead = 3_600_000;
  const one = await start({ clock: { now: () => Date.now() + ahead } });
  const two = await start();
  await one.calls.set(newSid(), sessionOf(day));
  ahead = 0;
  const sid = newSid();
  await two.calls.set(sid, sessionOf(day, { n: 0 }));
  const [mine, theirs] = [await one.calls.get(sid), await two.calls.get(sid)];
  await one.calls.set(sid, { ...mine, n: 1 } as never);
  Object.assign(theirs ?? {}, { n: 2 });
  await two.calls.set(sid, theirs as never);
  expect(await two.calls.get(sid)).toMatchObject({ n: 2 });
});
