import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { withMongo } from "../drills/support/mongo.ts";
import { createBrowser } from "../test/support/http.ts";
import { startRedisServer } from "../test/support/redis-server.ts";
import { credentialsOf } from "../test/support/sockets.ts";
import { type Crowd, createCrowd, type Ticket } from "./sockets/crowd.ts";
import { type Measured, measuredServer } from "./sockets/server.ts";

export interface Size {
  /** Of each of the two servers. */
  connections: number;
  rooms: number;
  users: number;
  rounds: number;
  ms: number;
  /** Sockets that are lost, and are all back within two seconds. */
  storm: number;
}

export interface Side {
  megabytesEach: number;
  connectSeconds: number;
  /** Of a processor, while everybody is connected and nobody speaks. */
  idleShare: number;
  /** Deliveries per second of processor time beyond that, by round. */
  rates: number[];
}

export interface Figures {
  ours: Side;
  bare: Side;
  /** Median of the rounds' own ratios: a busy machine slows both sides of one round. */
  ratio: number;
  storm: { seconds: number; listsPerRoomAndSecond: number; wordsLost: number };
}

export const wholeSize: Size = { connections: 8_000, rooms: 4, users: 400, rounds: 5, ms: 3_000, storm: 2_000 };

const atOnce = 100;
const stormMs = 2_000;
const idleMs = 5_000;
const root = join(import.meta.dirname, "..", "..", "..");
const median = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

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
export async function sockets(size: Size): Promise<Figures> {
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
        for (let i = 0; i < size.rounds; i++)
          for (const { side, run } of i % 2 === 0 ? turns : [...turns].reverse()) side.rates.push(await run());
        const ratio = median(figures.ours.rates.map((rate, i) => rate / (figures.bare.rates[i] ?? rate)));
        return { ...figures, ratio, storm: await storm(crowd, guests, size) };
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

export async function run(): Promise<void> {
  const { connections, rooms } = wholeSize;
  console.log(`${connections} connections on one process, ${connections / rooms} to a room, messages of 100 B`);
  const { ours, bare, ratio, storm: weathered } = await sockets(wholeSize);
  for (const [name, { megabytesEach, connectSeconds, idleShare, rates }] of Object.entries({ ours, bare })) {
    const each = `${(megabytesEach * 1024).toFixed(1)} kB each`;
    const rate = `${Math.round(median(rates)).toLocaleString("en")} deliveries per CPU-second`;
    const idle = `${(idleShare * 100).toFixed(1)} % of a processor while nobody speaks`;
    console.log(`${name.padEnd(5)} ${each}, all connected in ${connectSeconds.toFixed(1)} s, ${rate}, ${idle}`);
  }
  console.log(`ratio ${ratio.toFixed(2)}, target 0.9 ${ratio >= 0.9 ? "reached" : "MISSED"}`);
  const { seconds, listsPerRoomAndSecond, wordsLost } = weathered;
  const calm = seconds <= 10 && listsPerRoomAndSecond <= 1.1 && wordsLost === 0;
  console.log(
    `storm: ${wholeSize.storm} sockets back after ${seconds.toFixed(1)} s, ${listsPerRoomAndSecond.toFixed(2)} lists per room and second, ` +
      `${wordsLost} words pushed out of a recent list: ${calm ? "reached" : "MISSED"}`,
  );
}
