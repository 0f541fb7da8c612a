import { setTimeout as pause } from "node:timers/promises";
import { until } from "../../test/support/until.ts";
import type { Client } from "./client.ts";
import type { Crowd, Guest } from "./crowd.ts";

interface Storm {
  /** Of all guests, how many are lost, and are back within two seconds. */
  lost: number;
  /** Among whom the sockets are spread evenly. */
  users: number;
  /** They come one after the other while it lasts, all into one room, which is not the first guest's. */
  newcomers: readonly Guest[];
}

export interface Weathered {
  seconds: number;
  /** In the room of the newcomers, which is never the same for long: the most over any stretch of the storm. */
  listsPerSecond: number;
  lists: number;
  /** In the room of the first guest: a newcomer is announced, and that may push a word out. */
  wordsLost: number;
  /** What keeps the figures from showing anything. */
  failures: string[];
}

const stormMs = 2_000;
const settledMs = 2_000;
const waves = 20;
const newcomerEveryMs = 500;
/** Fewer than these would come even if a room were told once in two seconds. */
const fewLists = 3;
/** One may come so late, and the next in time. */
const lateMs = 500;

/** The most over any stretch of time, of what came at these moments. */
export function mostPerSecond(times: readonly number[]): number {
  const rates = times.flatMap((from, n) =>
    times.slice(n + 1).map((to, more) => (1_000 * (more + 1)) / (to - from + lateMs)),
  );
  return rates.length === 0 ? Number.NaN : Math.max(...rates);
}

const wordsIn = (body = "") => (body.match(/"type":"public"/g) ?? []).length;

/** What is told of the past of its room; undefined when it is told nothing. */
async function historyOf(watcher: Client): Promise<string | undefined> {
  const before = watcher.counts.history ?? 0;
  watcher.emit("get_history", undefined);
  const came = until(() => (watcher.counts.history ?? 0) > before, { timeoutMs: 10_000 });
  return came.then(
    () => watcher.last.history,
    () => undefined,
  );
}

/** As many as come while the work lasts. */
async function whileTheyCome<T>(crowd: Crowd, newcomers: readonly Guest[], work: () => Promise<T>): Promise<T> {
  const coming: Promise<void>[] = [];
  const timer = setInterval(() => {
    const next = newcomers[coming.length];
    if (next) coming.push(crowd.gather([next], 1));
  }, newcomerEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await Promise.all(coming);
  }
}

/** Some users lose all their sockets, which come back within two seconds, each into its room; somebody watches. */
export async function weather(crowd: Crowd, guests: readonly Guest[], { lost, users, newcomers }: Storm) {
  const away = (i: number) => i % users < (lost / guests.length) * users;
  const watcherIn = (room: string | undefined): Client => {
    const found = crowd.clients.find((_, i) => !away(i) && guests[i]?.room === room);
    if (!found) throw new Error(`nobody stays in ${room} who could watch the storm`);
    return found;
  };
  const reader = watcherIn(guests[0]?.room);
  const before = await historyOf(reader);
  const times: number[] = [];
  watcherIn(newcomers[0]?.room).listen("online_users", () => times.push(performance.now()));

  async function comeBack(): Promise<number> {
    crowd.drop(crowd.clients.filter((_, i) => away(i)));
    const returning = guests.filter((_, i) => away(i));
    const began = performance.now();
    const each = Math.ceil(returning.length / waves);
    const back: Promise<void>[] = [];
    for (let i = 0; i < waves; i++) {
      back.push(crowd.gather(returning.slice(i * each, (i + 1) * each), lost));
      await pause(stormMs / waves);
    }
    await Promise.all(back);
    const seconds = (performance.now() - began) / 1_000;
    // Whatever is still to be told to the rooms.
    await pause(settledMs);
    return seconds;
  }
  const seconds = await whileTheyCome(crowd, newcomers, comeBack);
  const after = await historyOf(reader);

  const failures = [
    ...(times.length >= fewLists ? [] : [`storm: the room of the newcomers was told ${times.length} lists of them`]),
    ...(wordsIn(before) > 0 ? [] : ["storm: the reader was told no words before it"]),
    ...(after === undefined ? ["storm: the reader was sent no history after it"] : []),
  ];
  return {
    ...{ seconds, lists: times.length, listsPerSecond: mostPerSecond(times) },
    ...{ wordsLost: wordsIn(before) - wordsIn(after), failures },
  } satisfies Weathered;
}
