import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { withMongo } from "../drills/support/mongo.ts";
import { createBrowser } from "../test/support/http.ts";
import { figureOf } from "../test/support/metrics.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { credentialsOf } from "../test/support/sockets.ts";
import { type Crowd, createCrowd, type Ticket } from "./sockets/crowd.ts";
import { type Measured, measuredServer } from "./sockets/server.ts";
import type { RunOptions } from "./support/conduct.ts";
import type { Report } from "./support/report.ts";
import { median, ratioOf } from "./support/sums.ts";

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
  megabytesEach: number;
  connectSeconds: number;
  /** Of a processor, while everybody is connected and nobody speaks. */
  idleShare: number;
  /** Deliveries per second of processor time beyond that, by round. */
  rates: number[];
}

interface Figures {
  ours: Side;
  bare: Side;
  /** Of the seconds in which it was asked, those in which Redis was in use. */
  share: number;
  storm: { seconds: number; listsPerRoomAndSecond: number; wordsLost: number };
}

const wholeSize: Size = { connections: 8_000, rooms: 4, users: 400, rounds: 5, ms: 3_000, storm: 2_000 };
const shortSize: Size = { connections: 2_000, rooms: 4, users: 200, rounds: 3, ms: 1_500, storm: 500 };

const atOnce = 100;
const stormMs = 2_000;
const idleMs = 5_000;
const root = join(import.meta.dirname, "..", "..", "..");

interface Guest {
  ticket: Ticket;
  room: string;
}

/** Users with a session each, whose sockets are spread evenly: all of one user's are in one room. */
async function invite({ url }: Measured, { connections, rooms, users }: Size): Promise<Guest[]> {
  const founder = createBrowser(url);
  await founder.register("founder");
  const ids: string[] = [];
  for (let i = 0; i < rooms; i++)
    ids.push((await founder.post("/api/channels", { name: `hall ${i}`, type: "text" })).body.id);
  const tickets: Ticket[] = [];
  for (let i = 0; i < users; i += 10)
    await Promise.all(
      Array.from({ length: Math.min(10, users - i) }, async (_, n) => {
        const browser = createBrowser(url);
        await browser.register(`user-${i + n}`);
        const { cookie, ...auth } = credentialsOf(browser);
        tickets[i + n] = { cookie, auth };
      }),
    );
  return Array.from({ length: connections }, (_, i) => {
    const user = i % users;
    return { ticket: tickets[user] ?? { auth: {} }, room: ids[user % rooms] ?? "" };
  });
}

async function enter(server: Measured, crowd: Crowd, guests: Guest[]): Promise<Omit<Side, "rates">> {
  await crowd.gather(guests.slice(0, 50), atOnce);
  await pause(500);
  const before = server.megabytes();
  const began = performance.now();
  await crowd.gather(guests.slice(50), atOnce);
  const connectSeconds = (performance.now() - began) / 1_000;
  await pause(2_000);
  const megabytesEach = (server.megabytes() - before) / (guests.length - 50);
  const idle = await spent(server, () => pause(idleMs));
  return { megabytesEach, connectSeconds, idleShare: idle.cpu / idle.seconds };
}

async function spent<T>(server: Measured, work: () => Promise<T>) {
  const [cpu, began] = [server.cpu(), performance.now()];
  const result = await work();
  return { result, cpu: server.cpu() - cpu, seconds: (performance.now() - began) / 1_000 };
}

/** What a server does by the clock is not counted: how long a round takes depends on the machine. */
async function round(server: Measured, crowd: Crowd, idleShare: number, { rooms, connections, ms }: Size) {
  const speakers = crowd.clients.slice(0, rooms);
  const { result, cpu, seconds } = await spent(server, () => crowd.talk(speakers, connections / rooms, ms));
  return result / (cpu - idleShare * seconds);
}

/** A quarter of the sockets is lost and comes back within two seconds, each into its room. */
async function storm(crowd: Crowd, guests: Guest[], { storm: count, users }: Size) {
  const away = (i: number) => i % users < (count / guests.length) * users;
  const watcher = crowd.clients.find((_, i) => !away(i));
  const wordsIn = (body = "") => (body.match(/"type":"public"/g) ?? []).length;
  watcher?.emit("get_history", undefined);
  await pause(1_000);
  const before = { lists: watcher?.counts.online_users ?? 0, words: wordsIn(watcher?.last.history) };
  crowd.drop(crowd.clients.filter((_, i) => away(i)));
  const returning = guests.filter((_, i) => away(i));
  const began = performance.now();
  const waves = 20;
  const each = Math.ceil(returning.length / waves);
  const back: Promise<void>[] = [];
  for (let i = 0; i < waves; i++) {
    back.push(crowd.gather(returning.slice(i * each, (i + 1) * each), count));
    await pause(stormMs / waves);
  }
  await Promise.all(back);
  const seconds = (performance.now() - began) / 1_000;
  // Whatever is still to be told to the rooms.
  await pause(2_000);
  const lists = (watcher?.counts.online_users ?? 0) - before.lists;
  watcher?.emit("get_history", undefined);
  await pause(1_000);
  return {
    seconds,
    listsPerRoomAndSecond: lists / (seconds + 2),
    wordsLost: before.words - wordsIn(watcher?.last.history),
  };
}

/** The shipped server beside bare Socket.IO with the stock adapter, both full of connections, in turns. */
async function sockets(size: Size): Promise<Figures> {
  const redis = await startRedisServer();
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  try {
    return await withMongo(async (mongoUrl) => {
      const env = {
        ...{ NODE_ENV: "test", PORT: "0", DATA_DIR: dataDir, MONGODB_URL: mongoUrl, REDIS_URL: redis.url },
        ...{ PASSWORD_COST: "4", RATE_LIMITS: "off", LOG_LEVEL: "warn" },
        SOCKETS_PER_USER: String(Math.ceil(size.connections / size.users) * 2),
      };
      const bare = await measuredServer(join(import.meta.dirname, "sockets", "bare.js"), { REDIS_URL: redis.url });
      const ours = await measuredServer(join(root, "dist/src/main.js"), env).catch(async (error: unknown) => {
        await bare.stop();
        throw error;
      });
      const [crowd, others] = [createCrowd(ours.url), createCrowd(bare.url)];
      try {
        const guests = await invite(ours, size);
        const strangers = guests.map(({ room }) => ({ ticket: { auth: {} }, room }));
        const figures = {
          ours: { ...(await enter(ours, crowd, guests)), rates: [] as number[] },
          bare: { ...(await enter(bare, others, strangers)), rates: [] as number[] },
        };
        const turns = [
          { side: figures.ours, run: () => round(ours, crowd, figures.ours.idleShare, size) },
          { side: figures.bare, run: () => round(bare, others, figures.bare.idleShare, size) },
        ];
        for (const { run } of turns) await run();
        const looks: number[] = [];
        for (let i = 0; i < size.rounds; i++)
          for (const { side, run } of i % 2 === 0 ? turns : [...turns].reverse()) {
            side.rates.push(await run());
            looks.push(await figureOf(ours.url, "chat_redis_up"));
          }
        const share = looks.reduce((sum, up) => sum + up, 0) / looks.length;
        return { ...figures, share, storm: await storm(crowd, guests, size) };
      } finally {
        crowd.close();
        others.close();
        await ours.stop();
        await bare.stop();
      }
    });
  } finally {
    await redis.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

export async function run({ short }: RunOptions): Promise<Report> {
  const size = short ? shortSize : wholeSize;
  const { ours, bare, share, storm: weathered } = await sockets(size);
  const row = (name: string, { megabytesEach, connectSeconds, idleShare, rates }: Side) => [
    name,
    `${(megabytesEach * 1024).toFixed(1)} kB`,
    `${connectSeconds.toFixed(1)} s`,
    Math.round(median(rates)).toLocaleString("en"),
    `${(idleShare * 100).toFixed(1)} %`,
  ];
  const { seconds, listsPerRoomAndSecond, wordsLost } = weathered;
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
        ],
        rows: [row("sluice", ours), row("bare Socket.IO", bare)],
      },
    ],
    figures: [
      { name: "connections", value: size.connections, unit: "", target: wholeSize.connections },
      { name: "deliveries beside bare Socket.IO", ...ratioOf(ours.rates, bare.rates), unit: "×", target: 0.9 },
      {
        name: "memory per connection beside bare Socket.IO",
        value: ours.megabytesEach / bare.megabytesEach,
        unit: "×",
        ours: ours.megabytesEach * 1024,
        other: bare.megabytesEach * 1024,
      },
      { name: "a storm settles", value: seconds, unit: " s", target: 10, atMost: true },
      { name: "lists per room and second", value: listsPerRoomAndSecond, unit: "", target: 1.1, atMost: true },
      { name: "words pushed out", value: wordsLost, unit: "", target: 0, atMost: true },
    ],
    healthy: [{ phase: "Redis in use between the rounds", share, least: 1 }],
    failures: [],
  };
}
