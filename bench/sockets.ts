import { setTimeout as pause } from "node:timers/promises";
import mongoose from "mongoose";
import { withMongo } from "../drills/support/mongo.ts";
import { figuresOf, type Figures as Page } from "../test/support/metrics.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { cpuOf, megabytesOf, startPeer, startServer } from "./cache/processes.ts";
import { secret, seed } from "./cache/seed.ts";
import { begun } from "./mixed/side.ts";
import { type Crowd, createCrowd, type Guest } from "./sockets/crowd.ts";
import { type Weathered, weather } from "./sockets/storm.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Healthy, Report } from "./support/report.ts";
import { median, quantile, ratioOf } from "./support/sums.ts";

interface Size {
  /** Of each of the two servers. */
  connections: number;
  rooms: number;
  users: number;
  rounds: number;
  ms: number;
  /** Sockets that are lost, and are all back within two seconds. */
  storm: number;
}

interface Side {
  readonly crowd: Crowd;
  readonly pid: number;
  megabytesEach: number;
  connectSeconds: number;
  /** Of a processor, while everybody is connected and nobody speaks. */
  idleShare: number;
  /** Deliveries per second of processor time beyond that, by round. */
  rates: number[];
  /** Until a word was there, in ms, by round: while there are as many as can be, and while there is one at a time. */
  crowded: number[][];
  alone: number[][];
}

interface Outcome {
  ours: Side;
  bare: Side;
  healthy: Healthy[];
  storm: Weathered;
  /** People who were in their rooms at once, at the end of the rounds, on the server that had fewer of them. */
  connected: number;
  failures: string[];
}

const wholeSize: Size = { connections: 8_000, rooms: 4, users: 400, rounds: 5, ms: 3_000, storm: 2_000 };
const shortSize: Size = { connections: 2_000, rooms: 4, users: 200, rounds: 3, ms: 1_500, storm: 500 };

const atOnce = 100;
const wordsAtOnce = 4;
/** Each connection is pinged once in 25 s, so that less would tell of the pings of some. */
const idleMs = 26_000;
const aloneMs = 1_000;

async function enter(crowd: Crowd, pid: number, guests: Guest[]): Promise<Side> {
  await crowd.gather(guests.slice(0, 50), atOnce);
  await pause(500);
  const before = megabytesOf(pid);
  const began = performance.now();
  await crowd.gather(guests.slice(50), atOnce);
  const connectSeconds = (performance.now() - began) / 1_000;
  await pause(2_000);
  const megabytesEach = (megabytesOf(pid) - before) / (guests.length - 50);
  return { crowd, pid, megabytesEach, connectSeconds, idleShare: 0, rates: [], crowded: [], alone: [] };
}

/** Both at the same time, so that the machine is the same for them. */
async function beIdle(sides: readonly Side[]): Promise<void> {
  const before = sides.map(({ pid }) => cpuOf(pid));
  const began = performance.now();
  await pause(idleMs);
  const seconds = (performance.now() - began) / 1_000;
  for (const [n, side] of sides.entries()) side.idleShare = (cpuOf(side.pid) - (before[n] ?? 0)) / seconds;
}

/** What a server does by the clock is not counted: how long a round takes depends on the machine. */
async function round({ crowd, pid, idleShare, ...side }: Side, { rooms, connections, ms }: Size, kept: boolean) {
  const roomSize = connections / rooms;
  const speakers = crowd.clients.slice(0, rooms);
  const [cpu, began] = [cpuOf(pid), performance.now()];
  const crowded = await crowd.talk(speakers, { roomSize, ms, atOnce: wordsAtOnce });
  const spent = cpuOf(pid) - cpu - (idleShare * (performance.now() - began)) / 1_000;
  const alone = await crowd.talk(speakers.slice(0, 1), { roomSize, ms: aloneMs, atOnce: 1 });
  if (!kept) return;
  side.rates.push(crowded.count / spent);
  side.crowded.push(crowded.waits);
  side.alone.push(alone.waits);
}

/** How many of the reads were answered by Redis, or by what was kept of it, since a page of figures was read. */
function shares(before: Page, after: Page): Healthy[] {
  const more = (series: string, labels: Record<string, string> = {}) => {
    const wanted = Object.entries(labels);
    const sum = (page: Page) =>
      page
        .all(series)
        .filter((sample) => wanted.every(([label, is]) => sample.labels[label] === is))
        .reduce((all, { value }) => all + value, 0);
    return sum(after) - sum(before);
  };
  const [sessions, caches] = ["chat_session_operations_total", "chat_cache_requests_total"];
  const hits = more(caches, { result: "l1" }) + more(caches, { result: "redis" });
  const byRedis = more(sessions, { op: "get", store: "redis" });
  return [
    { phase: "sessions read", share: byRedis / more(sessions, { op: "get" }), least: 0.95 },
    { phase: "caches read", share: hits / more(caches), least: 0.9 },
  ];
}

/** The shipped server beside bare Socket.IO with the stock adapter, both full of connections, in turns. */
async function compare(mongoUrl: string, size: Size): Promise<Outcome> {
  const { connections, rooms, users, rounds, storm } = size;
  const client = await mongoose.mongo.MongoClient.connect(mongoUrl);
  const ends: (() => unknown)[] = [() => client.close()];
  try {
    const visitors = await seed(client.db(), { users: users + 1, channels: rooms, messages: 10_000 });
    const guests = Array.from({ length: connections + 1 }, (_, i): Guest => {
      const user = i < connections ? i % users : users;
      const { cookie, csrfToken } = visitors[user] ?? { csrfToken: "" };
      return { ticket: { ...(cookie && { cookie }), auth: { csrfToken } }, room: `channel-${user % rooms}` };
    });
    const newcomer = guests.pop() as Guest;
    const redis = await startRedisServer();
    ends.push(() => redis.close());
    const where = { NODE_ENV: "production", MONGODB_URL: mongoUrl, REDIS_URL: redis.url, LOG_LEVEL: "warn" };
    const server = await startServer({
      ...{ ...where, JWT_SECRET: secret, SESSION_SECRET: secret, SESSION_REDIS_PERCENT: "100", RATE_LIMITS: "off" },
      SOCKETS_PER_USER: String(Math.ceil(connections / users) * 2),
    });
    ends.push(() => server.close());
    const peer = await startPeer("../sockets/bare", { redisUrl: redis.url });
    ends.push(() => peer.close());
    await begun(server.url);
    const [crowd, others] = [server, peer].map(({ port }) => createCrowd(`http://127.0.0.1:${port}`)) as [Crowd, Crowd];
    ends.push(
      () => crowd.close(),
      () => others.close(),
    );
    const ours = await enter(crowd, server.pid, guests);
    const strangers = guests.map(({ room }) => ({ ticket: { auth: {} }, room }));
    const bare = await enter(others, peer.pid, strangers);
    const before = await figuresOf(server.url);
    await beIdle([ours, bare]);
    const sides = [ours, bare];
    for (let at = -1; at < rounds; at += 1)
      for (const side of at % 2 === 0 ? sides : [...sides].reverse()) await round(side, size, at >= 0);
    const connected = Math.min(...sides.map((side) => side.crowd.clients.filter(({ joined }) => joined).length));
    const weathered = await weather(crowd, guests, { lost: storm, users, newcomer });
    const healthy = shares(before, await figuresOf(server.url));
    const ended = sides.map((side) => side.crowd.ended);
    const failures = ["sluice", "bare Socket.IO"].flatMap((name, n) =>
      ended[n] ? [`${name}: ${ended[n]} connections ended by themselves`] : [],
    );
    return { ours, bare, connected, healthy, storm: weathered, failures: [...failures, ...weathered.failures] };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

const wait = (rounds: readonly number[][], part: number) => median(rounds.map((waits) => quantile(waits, part)));
const waits = (rounds: readonly number[][]) => [0.5, 0.99].map((part) => wait(rounds, part).toFixed(1)).join(" / ");

export async function run({ short }: RunOptions): Promise<Report> {
  const size = short ? shortSize : wholeSize;
  const { ours, bare, connected, healthy, storm, failures } = await withMongo((mongoUrl) => compare(mongoUrl, size));
  const row = (name: string, { megabytesEach, connectSeconds, idleShare, rates, crowded, alone }: Side) => [
    name,
    `${(megabytesEach * 1024).toFixed(1)} kB`,
    `${connectSeconds.toFixed(1)} s`,
    Math.round(median(rates)).toLocaleString("en"),
    `${(idleShare * 100).toFixed(1)} %`,
    `${waits(crowded)} ms`,
    `${waits(alone)} ms`,
  ];
  return {
    kind: "bench",
    name: "sockets",
    what: `${size.connections} connections on one process, ${size.connections / size.rooms} to a room, messages of 100 B, beside bare Socket.IO with the stock adapter, ${size.rounds} rounds in turns`,
    tables: [
      {
        title: "",
        head: [
          "server",
          "memory per connection",
          "all connected in",
          "deliveries per CPU second",
          "processor while nobody speaks",
          `there after, p50 / p99, ${wordsAtOnce} words at once in each room`,
          "one word at a time",
        ],
        rows: [row("sluice", ours), row("bare Socket.IO", bare)],
      },
    ],
    figures: [
      { name: "connections", value: connected, unit: "", target: wholeSize.connections },
      { name: "deliveries beside bare Socket.IO", ...ratioOf(ours.rates, bare.rates), unit: "×", target: 0.9 },
      {
        name: "a word there, p99 beside bare Socket.IO",
        ...ratioOf(
          ours.crowded.map((round) => quantile(round, 0.99)),
          bare.crowded.map((round) => quantile(round, 0.99)),
        ),
        unit: "×",
      },
      {
        name: "a word by itself there, p50 beside bare Socket.IO",
        ...ratioOf(
          ours.alone.map((round) => quantile(round, 0.5)),
          bare.alone.map((round) => quantile(round, 0.5)),
        ),
        unit: "×",
      },
      {
        name: "memory per connection beside bare Socket.IO",
        value: ours.megabytesEach / bare.megabytesEach,
        unit: "×",
        ours: ours.megabytesEach * 1024,
        other: bare.megabytesEach * 1024,
      },
      { name: "a storm settles", value: storm.seconds, unit: " s", target: 10, atMost: true },
      { name: "lists per room and second", value: storm.listsPerRoomAndSecond, unit: "", target: 1.1, atMost: true },
      { name: "words pushed out", value: storm.wordsLost, unit: "", target: 0, atMost: true },
    ],
    healthy,
    failures,
  };
}
