import mongoose from "mongoose";
import { createEnds } from "../../test/support/ends.ts";
import { type Figures, figuresOf } from "../../test/support/metrics.ts";
import { startRedisServer } from "../../test/support/redis-server.ts";
import { begun } from "../stage/begun.ts";
import { tellsWhatItHolds } from "../stage/held.ts";
import { startPeer, startServer } from "../stage/processes.ts";
import { seed, type Visitor } from "../stage/seed.ts";
import { shipped } from "../stage/shipped.ts";
import type { Healthy } from "../support/report.ts";
import { rounds as inTurns } from "../support/rounds.ts";
import { type Crowd, createCrowd, type Guest } from "./crowd.ts";
import { beIdle, enter, hold, type Side, type Talks } from "./side.ts";
import { type Weathered, weather } from "./storm.ts";

export interface Size {
  /** Of each server. */
  connections: number;
  rooms: number;
  users: number;
  rounds: number;
  ms: number;
  /** With Redis off, in one room. */
  roundsWithout: number;
  /** Sockets that are lost, and are all back within two seconds. */
  storm: number;
}

/** Two servers in turns, under the same words. */
export interface Pair {
  readonly ours: Side;
  readonly bare: Side;
}

export interface Outcome {
  readonly redisOn: Pair;
  readonly redisOff: Pair;
  readonly healthy: Healthy[];
  readonly storm: Weathered;
  readonly failures: string[];
}

const newcomers = 40;

/** How many of the reads were answered by Redis, or by what was kept of it, since a page of figures was read. */
function shares(before: Figures, after: Figures): Healthy[] {
  const more = (name: string, labels: Record<string, string> = {}) =>
    after.sum(name, labels) - before.sum(name, labels);
  const [sessions, caches] = ["chat_session_operations_total", "chat_cache_requests_total"];
  const hits = more(caches, { result: "l1" }) + more(caches, { result: "redis" });
  const byRedis = more(sessions, { op: "get", store: "redis" });
  return [
    { phase: "sessions read", share: byRedis / more(sessions, { op: "get" }), least: 0.95 },
    { phase: "caches read", share: hits / more(caches), least: 0.9 },
  ];
}

const crowdOf = ({ port }: { port: number }) => createCrowd(`http://127.0.0.1:${port}`);
const failuresOf = ({ name, crowd, failures }: Side) => [
  ...failures,
  ...(crowd.ended > 0 ? [`${name}: ${crowd.ended} connections ended by themselves`] : []),
];

interface Stage {
  readonly mongoUrl: string;
  readonly size: Size;
  readonly guests: Guest[];
  readonly newcomers: Guest[];
  readonly bare: Side;
}

async function startOurs({ mongoUrl, size }: Stage, redisUrl: string, env: Record<string, string>) {
  const { connections, users } = size;
  const unlimited = { RATE_LIMITS: "off", SOCKETS_PER_USER: String(Math.ceil(connections / users) * 2) };
  const sessions = { SESSION_REDIS_PERCENT: "100" };
  return startServer(
    { ...shipped(mongoUrl, redisUrl), ...sessions, ...unlimited, ...env },
    { nodeArgs: tellsWhatItHolds },
  );
}

async function holdBoth({ ours, bare }: Pair, rounds: number, talks: Talks): Promise<void> {
  const measured = await inTurns([ours, bare], rounds, (side) => hold(side, talks), { warm: 1 });
  for (const [side, heard] of measured)
    for (const { crowded, alone } of heard) {
      side.crowded.push(crowded);
      side.alone.push(alone);
    }
}

const roomSizeOf = ({ connections, rooms }: Size) => connections / rooms;

async function withRedis(stage: Stage): Promise<Pick<Outcome, "redisOn" | "healthy" | "storm">> {
  const ends = createEnds();
  try {
    const redis = ends.add(await startRedisServer());
    const server = ends.add(await startOurs(stage, redis.url, {}));
    await begun(server.url);
    const crowd = ends.add(crowdOf(server));
    const entered = await enter("sluice, sessions at 100 %, limits off", crowd, server.pid, stage.guests);
    const before = await figuresOf(server.url);
    const [ours, bare] = (await beIdle([entered, stage.bare])) as [Side, Side];
    const { users, rooms, rounds, ms, storm: lost } = stage.size;
    await holdBoth({ ours, bare }, rounds, { rooms, roomSize: roomSizeOf(stage.size), ms });
    const storm = await weather(crowd, stage.guests, { lost, users, newcomers: stage.newcomers });
    return { redisOn: { ours, bare }, storm, healthy: shares(before, await figuresOf(server.url)) };
  } finally {
    await ends.close();
  }
}

/** Afterwards and by itself: it would be an instance of the same chat, and hear the other's words over MongoDB. */
async function withRedisOff(stage: Stage): Promise<Pair> {
  const ends = createEnds();
  try {
    const server = ends.add(await startOurs(stage, "", { DISABLE_REDIS: "true" }));
    const crowd = ends.add(crowdOf(server));
    const inRoom = (guest: Guest | undefined) => guest?.room === stage.guests[0]?.room;
    const guests = stage.guests.filter(inRoom);
    // Whoever holds more pings more.
    const { crowd: theirs } = stage.bare;
    theirs.drop(theirs.clients.filter((_, n) => !inRoom(stage.guests[n])));
    const ours = await enter("sluice, Redis off, limits off", crowd, server.pid, guests);
    const bare: Side = { ...stage.bare, crowded: [], alone: [], failures: [] };
    const { roundsWithout, ms } = stage.size;
    await holdBoth({ ours, bare }, roundsWithout, { rooms: 1, roomSize: roomSizeOf(stage.size), ms });
    return { ours, bare };
  } finally {
    await ends.close();
  }
}

function guestsOf(visitors: readonly Visitor[], { connections, users, rooms }: Size) {
  const guest = (user: number, room: number): Guest => {
    const { cookie, csrfToken } = visitors[user] ?? { csrfToken: "" };
    return { ticket: { ...(cookie && { cookie }), auth: { csrfToken } }, room: `channel-${room}` };
  };
  return {
    guests: Array.from({ length: connections }, (_, i) => guest(i % users, (i % users) % rooms)),
    newcomers: Array.from({ length: newcomers }, (_, n) => guest(users + n, 1)),
  };
}

/** The shipped server with sessions at 100 % and no limits beside bare Socket.IO with the stock adapter, both full of connections; then the same with Redis off. */
export async function compare(mongoUrl: string, size: Size): Promise<Outcome> {
  const ends = createEnds();
  try {
    const client = ends.add(await mongoose.mongo.MongoClient.connect(mongoUrl));
    const sizes = { users: size.users + newcomers, channels: size.rooms, messages: 10_000 };
    const people = guestsOf(await seed(client.db(), sizes), size);
    // Not ours: on one Redis, each of the two would hear the other.
    const redis = ends.add(await startRedisServer());
    const peer = ends.add(await startPeer("../sockets/bare", { redisUrl: redis.url }, tellsWhatItHolds));
    const crowd: Crowd = ends.add(crowdOf(peer));
    const strangers = people.guests.map(({ room }) => ({ ticket: { auth: {} }, room }));
    const bare = await enter("bare Socket.IO", crowd, peer.pid, strangers);
    const stage = { mongoUrl, size, ...people, bare };
    const found = await withRedis(stage);
    const redisOff = await withRedisOff(stage);
    const sides = [...Object.values(found.redisOn), ...Object.values(redisOff)] as Side[];
    return { ...found, redisOff, failures: [...new Set(sides.flatMap(failuresOf)), ...found.storm.failures] };
  } finally {
    await ends.close();
  }
}
