import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { quantile } from "../../bench/support/sums.ts";
import { type Group, startGroup } from "../../test/support/group.ts";
import { createBrowser } from "../../test/support/http.ts";
import { figureOf } from "../../test/support/metrics.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { credentialsOf } from "../../test/support/sockets.ts";
import { until } from "../../test/support/until.ts";
import { watchRedis } from "../support/watch.ts";
import { arrivals, since } from "./arrivals.ts";
import { type Audit, audit, type Stored, type Wrong, wrongs } from "./audit.ts";
import type { Phase, Scene } from "./plan.ts";
import { asShipped, depart, presenceAfter, presenceWithinMs, type Told } from "./presence.ts";
import { startTalk } from "./talk.ts";
import { createVisitor, doubtMs, type Visitor } from "./visitor.ts";

export interface DrillOptions {
  mongoUrl: string;
  plan: readonly Phase[];
  clients: number;
  rooms: number;
  /** Said in the midst of the phases, all together; people go on talking while a fault begins and ends. */
  messages: number;
  /** Messages a second, of all clients together, as long as the machine keeps up. */
  rate: number;
  /** Of the words of a phase, 0.01 without it; while all is well, none. */
  mostRefused?: number;
  /** In the end many go, and an instance dies with its people. */
  departs?: boolean;
  env?: Record<string, string>;
  say: (line: string) => void;
}

interface PhaseReport {
  readonly name: string;
  readonly healthy: boolean;
  readonly detectMs: number | undefined;
  readonly recoverMs: number | undefined;
  /** The message that took longest to be shown. */
  readonly slowestMs: number;
  readonly seconds: number;
  readonly said: number;
  /** Words that were said while the fault began, and while it was undone; undefined where there is none. */
  readonly saidAtBegin: number | undefined;
  readonly saidAtEnd: number | undefined;
  /** Words that were refused, and whose speakers were told so. */
  readonly errors: number;
  readonly why: readonly string[];
  /** Words of this phase that are not stored, or that somebody was not shown. */
  readonly lost: number;
  /** Between instances, of all of them. */
  readonly overRedis: number;
  readonly overMongo: number;
  /** Instances to which messages came over Redis. */
  readonly reached: number;
  readonly p50: number;
  readonly p99: number;
}

export interface DrillReport {
  readonly ok: boolean;
  readonly failures: string[];
  readonly phases: PhaseReport[];
  readonly audit: Audit;
  readonly clients: number;
  readonly said: number;
  readonly stored: number;
  /** How connections ended, but for the last time. */
  readonly ends: Record<string, number>;
  readonly presence: readonly Told[];
}

export const instances = 3;
const touchesRedis = (phase: string) => phase.startsWith("Redis");
const registrationsAtOnce = 10;
const settleMs = 30_000;
/** Servers that have just begun are slow, and do without Redis for some of it. */
const warmingWords = 100;

async function redisIsUsed(group: Group): Promise<boolean> {
  const up = await Promise.all(group.instances.map(({ url }) => figureOf(url, "chat_redis_up")));
  return up.every((one) => one === 1);
}

async function storedOf(url: string): Promise<Map<string, Stored[]>> {
  const client = await mongoose.mongo.MongoClient.connect(url);
  try {
    const found = await client.db().collection("messages").find().sort({ timestamp: 1, _id: 1 }).toArray();
    const rooms = new Map<string, Stored[]>();
    for (const { _id, channel, text, type, author, target, timestamp } of found) {
      const list = rooms.get(channel) ?? [];
      list.push({ id: String(_id), text, type, author, target: target ?? null, at: timestamp.getTime() });
      rooms.set(channel, list);
    }
    return rooms;
  } finally {
    await client.close();
  }
}

/** Everybody registers, and enters a room over one of the instances. */
async function gather(options: DrillOptions, group: Group, pick: () => string, onArrival: (ms: number) => void) {
  const founder = createBrowser(group.at(0).url);
  await founder.register("founder");
  const rooms: string[] = [];
  for (let i = 0; i < options.rooms; i++)
    rooms.push((await founder.post("/api/channels", { name: `hall ${i}`, type: "text" })).body.id);
  const visitors: Visitor[] = [];
  const { token } = founder;
  const names = Array.from({ length: options.clients }, (_, i) => `visitor-${i}`);
  const queue = [...names.entries()];
  await Promise.all(
    Array.from({ length: registrationsAtOnce }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [i, name] = next;
        const browser = createBrowser(group.at(i % instances).url);
        const { status } = await browser.register(name);
        if (status !== 201) throw new Error(`${name} could not register: ${status}`);
        const room = rooms[i % rooms.length] ?? "general";
        visitors.push(createVisitor({ name, room, credentials: credentialsOf(browser), pick, onArrival }));
      }
    }),
  );
  const outside = () => visitors.filter(({ settled }) => !settled).length;
  await until(() => outside() === 0, {
    timeoutMs: 60_000,
    describe: () => `${outside()} visitors to be in their rooms`,
  });
  return { visitors, token };
}

/** How long from now until everybody is back at another instance than that one; undefined when that does not come. */
async function elsewhere(visitors: readonly Visitor[], former: string): Promise<number | undefined> {
  const since = performance.now();
  const all = () => visitors.every(({ settled, url }) => settled && url !== former);
  const there = await until(all, { timeoutMs: 60_000, everyMs: 10 }).catch(() => false);
  return there ? performance.now() - since : undefined;
}

async function perform(options: DrillOptions, redis: RedisServer, group: Group): Promise<DrillReport> {
  const { plan, messages, rate, mongoUrl, mostRefused = 0.01, departs = false, say } = options;
  const openTo = new Set(Array.from({ length: instances }, (_, i) => i));
  const scene: Scene = {
    redis,
    group,
    open: (index, open) => void (open ? openTo.add(index) : openTo.delete(index)),
  };
  let turn = 0;
  const pick = () => group.at([...openTo][turn++ % openTo.size] ?? 0).url;
  let latencies: number[] = [];
  const { visitors, token } = await gather(options, group, pick, (ms) => void latencies.push(ms));
  say(`${visitors.length} people are in ${options.rooms} rooms on ${instances} instances.`);

  const talk = startTalk(visitors, rate);
  talk.goOn();
  await until(() => talk.said >= warmingWords, { timeoutMs: 60_000 });

  const phases: (Omit<PhaseReport, "errors" | "why" | "lost"> & { from: number; breaks: boolean })[] = [];
  const failures: string[] = [];
  for (const { name, healthy = false, breaks, drains, begin, end } of plan) {
    if (healthy) {
      await talk.silence();
      await until(() => redisIsUsed(group), { timeoutMs: 30_000, describe: "Redis to be used everywhere" });
    }
    const before = { at: performance.now(), said: talk.said };
    const [redisBefore, mongoBefore] = [await arrivals(group, "redis"), await arrivals(group, "mongodb")];
    const from = Date.now();
    latencies = [];
    talk.goOn();
    const watch = watchRedis(group.instances.map(({ url }) => url));
    const drained = drains === undefined ? undefined : group.at(drains).url;
    const leaves = drains ?? breaks;
    const moving = leaves === undefined ? undefined : elsewhere(visitors, group.at(leaves).url);
    const saidAtBegin = begin && (await talk.during(() => begin(scene), drained));
    const enough = talk.said + messages / plan.length;
    await until(() => talk.said >= enough, { timeoutMs: 600_000 });
    if (healthy) await talk.silence();
    const carried = async () => since(redisBefore, await arrivals(group, "redis"));
    const complete = async () => (await carried()).sum >= (talk.said - before.said) * (instances - 1);
    if (healthy) await until(complete, { timeoutMs: 5_000 }).catch(() => undefined);
    const saidAtEnd =
      end &&
      (await talk.during(async () => {
        await end(scene);
        watch.mended();
      }));
    // An instance that is gone says nothing, and the one in its place is no more asked.
    const { detectMs, recoverMs } = await watch.end(touchesRedis(name) ? 15_000 : 0);
    const overRedis = await carried();
    const overMongo = since(mongoBefore, await arrivals(group, "mongodb"));
    const most = talk.said - before.said;
    const movedMs = await moving;
    if (moving && movedMs === undefined) failures.push(`${name}: not everybody came back`);
    const watched = touchesRedis(name) ? { detectMs, recoverMs } : { detectMs: undefined, recoverMs: movedMs };
    phases.push({
      name,
      healthy,
      breaks: breaks !== undefined,
      from,
      seconds: (performance.now() - before.at) / 1_000,
      said: most,
      saidAtBegin,
      saidAtEnd,
      overRedis: overRedis.sum,
      overMongo: overMongo.sum,
      reached: overRedis.instances,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      slowestMs: quantile(latencies, 1),
      ...watched,
    });
    if (saidAtBegin === 0 || saidAtEnd === 0) failures.push(`${name}: nobody spoke while it began, or while it ended`);
    say(`${name}: ${most} said, ${talk.said} in all, ${overRedis.sum} arrivals over Redis.`);
  }
  await talk.stop();

  const over = (i: number) => phases[i + 1]?.from ?? Number.POSITIVE_INFINITY;
  const mayBreak = (at: number) => phases.some(({ breaks, from }, i) => breaks && at > from - doubtMs && at < over(i));
  const examine = async () => {
    const rooms = await storedOf(mongoUrl);
    const result = audit(visitors, rooms, mayBreak);
    return { rooms, result, good: Object.values(result.counts).every((count) => count === 0) };
  };
  const deadline = Date.now() + settleMs;
  let last = await examine();
  while (!last.good && Date.now() < deadline) {
    await pause(1_000);
    last = await examine();
  }
  const refusals = visitors.flatMap(({ errors }) => errors);
  const reports = phases.map((phase, i): PhaseReport => {
    const inIt = (at: number) => at >= phase.from && at < over(i);
    const refused = refusals.filter(({ at }) => inIt(at));
    const why = [...new Set(refused.map(({ words }) => words))];
    return { ...phase, errors: refused.length, why, lost: last.result.losses.filter(inIt).length };
  });
  for (const { name, healthy, errors, said: most, why } of reports)
    if (errors > (healthy ? 0 : most * mostRefused))
      failures.push(`${name}: ${errors} of ${most} words were refused: ${why.join(", ")}`);
  const { counts } = last.result;
  for (const [wrong, words] of Object.entries(wrongs))
    if (counts[wrong as Wrong] > 0) failures.push(`${counts[wrong as Wrong]} ${words}`);
  const ends: Record<string, number> = {};
  for (const { reasons } of visitors)
    for (const [reason, times] of Object.entries(reasons)) ends[reason] = (ends[reason] ?? 0) + times;
  const watchers = { group, visitors, token };
  const presence = [await presenceAfter("after all of that", performance.now(), watchers)];
  if (departs) {
    const since = performance.now();
    await depart(scene, visitors);
    presence.push(await presenceAfter("after many went home and an instance died", since, watchers));
  }
  for (const { when, ms, wrong } of presence)
    if (ms === undefined)
      failures.push(
        `who is there was not told right within ${presenceWithinMs / 1_000} s ${when}`,
        ...wrong.slice(0, 5),
      );
  for (const visitor of visitors) visitor.close();
  const stored = [...last.rooms.values()].reduce((sum, list) => sum + list.length, 0);
  const done = visitors.reduce((sum, visitor) => sum + visitor.said.length, 0);
  const clients = visitors.length;
  return {
    ok: failures.length === 0,
    failures,
    phases: reports,
    audit: last.result,
    clients,
    said: done,
    stored,
    ends,
    presence,
  };
}

/** Three instances, many clients, numbered messages, and faults one after the other. */
export async function performDrill(options: DrillOptions): Promise<DrillReport> {
  const redis = await startRedisServer();
  try {
    const env = {
      MONGODB_URL: options.mongoUrl,
      REDIS_URL: redis.url,
      LOG_LEVEL: "error",
      ...asShipped,
      ...options.env,
    };
    const group = await startGroup({ count: instances, env });
    try {
      return await perform(options, redis, group);
    } finally {
      redis.thaw();
      await group.close();
    }
  } finally {
    await redis.close();
  }
}
