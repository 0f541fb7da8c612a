import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { type Group, startGroup } from "../../test/support/group.ts";
import { createBrowser } from "../../test/support/http.ts";
import { figureOf } from "../../test/support/metrics.ts";
import { type RedisServer, startRedisServer } from "../../test/support/redis-server.ts";
import { credentialsOf } from "../../test/support/sockets.ts";
import { until } from "../../test/support/until.ts";
import { watchRedis } from "../support/watch.ts";
import { type Audit, audit, type Stored, type Wrong, wrongs } from "./audit.ts";
import type { Phase, Scene } from "./plan.ts";
import { createVisitor, type Visitor } from "./visitor.ts";

export interface DrillOptions {
  mongoUrl: string;
  plan: readonly Phase[];
  clients: number;
  rooms: number;
  messages: number;
  /** Messages a second, of all clients together, as long as the machine keeps up. */
  rate: number;
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
  /** Between instances, of all of them. */
  readonly overRedis: number;
  readonly overMongo: number;
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
}

export const instances = 3;
const touchesRedis = (phase: string) => phase.startsWith("Redis");
const registrationsAtOnce = 10;
const settleMs = 30_000;
/** Words that are said and not shown to who said them: more are not said meanwhile. */
const mostWaiting = 60;
/** One word of so many is for one person only. */
const whisperEvery = 20;

/** How many messages have come to each instance that runs, by its address. */
async function arrivals(group: Group, way: "redis" | "mongodb"): Promise<Map<string, number>> {
  const series = `chat_message_arrivals_total{way="${way}"}`;
  const ask = async ({ url }: { url: string }) => [url, await figureOf(url, series).catch(() => 0)] as const;
  return new Map(await Promise.all(group.instances.map(ask)));
}

function since(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): number {
  return [...now].reduce((sum, [url, count]) => sum + Math.max(0, count - (before.get(url) ?? 0)), 0);
}

async function redisIsUsed(group: Group): Promise<boolean> {
  const up = await Promise.all(group.instances.map(({ url }) => figureOf(url, "chat_redis_up")));
  return up.every((one) => one === 1);
}

function quantile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
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
  return visitors;
}

async function perform(options: DrillOptions, redis: RedisServer, group: Group): Promise<DrillReport> {
  const { plan, messages, rate, mongoUrl, say } = options;
  const openTo = new Set(Array.from({ length: instances }, (_, i) => i));
  const scene: Scene = {
    redis,
    group,
    open: (index, open) => void (open ? openTo.add(index) : openTo.delete(index)),
  };
  let turn = 0;
  const pick = () => group.at([...openTo][turn++ % openTo.size] ?? 0).url;
  let latencies: number[] = [];
  const visitors = await gather(options, group, pick, (ms) => void latencies.push(ms));
  say(`${visitors.length} people are in ${options.rooms} rooms on ${instances} instances.`);

  let said = 0;
  let limit = 0;
  let talking = true;
  const anybody = () => visitors[Math.floor(Math.random() * visitors.length)];
  function speak(): void {
    const speaker = anybody();
    const listener = visitors.find(({ room, name }) => room === speaker?.room && name !== speaker.name);
    if (listener && said % whisperEvery === 0) speaker?.whisper(listener.name, `whisper ${said}`);
    else speaker?.say(`word ${said}`);
    said += 1;
  }
  const talk = (async () => {
    for (let last = performance.now(), due = 0; talking; await pause(5)) {
      const now = performance.now();
      due = Math.min(due + ((now - last) / 1_000) * rate, 20);
      last = now;
      const waiting = visitors.reduce((sum, visitor) => sum + visitor.waiting, 0);
      for (let room = mostWaiting - waiting; due >= 1 && room > 0 && said < limit; room--, due--) speak();
    }
  })();

  const phases: PhaseReport[] = [];
  const failures: string[] = [];
  for (const [i, { name, healthy, begin, end }] of plan.entries()) {
    if (healthy) await until(() => redisIsUsed(group), { timeoutMs: 30_000, describe: "Redis to be used everywhere" });
    const before = { at: performance.now(), said };
    const [redisBefore, mongoBefore] = [await arrivals(group, "redis"), await arrivals(group, "mongodb")];
    latencies = [];
    const watch = watchRedis(group.instances.map(({ url }) => url));
    if (begin) await begin(scene);
    limit = Math.round((messages * (i + 1)) / plan.length);
    await until(() => said >= limit, { timeoutMs: 600_000 });
    const carried = async () => since(redisBefore, await arrivals(group, "redis"));
    const most = said - before.said;
    if (healthy) await until(async () => (await carried()) > most / 2, { timeoutMs: 15_000 }).catch(() => undefined);
    const overRedis = await carried();
    const overMongo = since(mongoBefore, await arrivals(group, "mongodb"));
    const sorted = [...latencies].sort((a, b) => a - b);
    if (end) await end(scene);
    watch.mended();
    // An instance that is gone says nothing, and the one in its place is no more asked.
    const { detectMs, recoverMs } = await watch.end(touchesRedis(name) ? 15_000 : 0);
    const seconds = (performance.now() - before.at) / 1_000;
    const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
    const watched = touchesRedis(name) ? { detectMs, recoverMs } : { detectMs: undefined, recoverMs: undefined };
    const slowestMs = sorted.at(-1) ?? 0;
    phases.push({
      name,
      healthy: healthy === true,
      seconds,
      said: most,
      overRedis,
      overMongo,
      p50,
      p99,
      slowestMs,
      ...watched,
    });
    say(`${name}: ${said} of ${messages} said, ${overRedis} arrivals over Redis.`);
    if (healthy && overRedis <= most / 2)
      failures.push(`Redis carried only ${overRedis} of ${most} messages while it was well`);
  }
  talking = false;
  await talk;

  const examine = async () => {
    const rooms = await storedOf(mongoUrl);
    const result = audit(visitors, rooms);
    return { rooms, result, good: Object.values(result.counts).every((count) => count === 0) };
  };
  const deadline = Date.now() + settleMs;
  let last = await examine();
  while (!last.good && Date.now() < deadline) {
    await pause(1_000);
    last = await examine();
  }
  const { counts } = last.result;
  for (const [wrong, words] of Object.entries(wrongs))
    if (counts[wrong as Wrong] > 0) failures.push(`${counts[wrong as Wrong]} ${words}`);
  const ends: Record<string, number> = {};
  for (const { reasons } of visitors)
    for (const [reason, times] of Object.entries(reasons)) ends[reason] = (ends[reason] ?? 0) + times;
  for (const visitor of visitors) visitor.close();
  const stored = [...last.rooms.values()].reduce((sum, list) => sum + list.length, 0);
  const done = visitors.reduce((sum, visitor) => sum + visitor.said.length, 0);
  const clients = visitors.length;
  return { ok: failures.length === 0, failures, phases, audit: last.result, clients, said: done, stored, ends };
}

/** Three instances, many clients, numbered messages, and faults one after the other. */
export async function performDrill(options: DrillOptions): Promise<DrillReport> {
  const redis = await startRedisServer();
  try {
    const env = { MONGODB_URL: options.mongoUrl, REDIS_URL: redis.url, LOG_LEVEL: "error", ...options.env };
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
