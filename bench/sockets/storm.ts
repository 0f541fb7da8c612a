import { setTimeout as pause } from "node:timers/promises";
import { until } from "../../test/support/until.ts";
import type { Client } from "./client.ts";
import type { Crowd, Guest } from "./crowd.ts";

interface Storm {
  /** Of all guests, how many are lost, and are back within two seconds. */
  lost: number;
  /** Among whom the sockets are spread evenly. */
  users: number;
  /** Comes for the first time when the storm is over, into the room of the first guest. */
  newcomer: Guest;
}

export interface Weathered {
  seconds: number;
  listsPerRoomAndSecond: number;
  wordsLost: number;
  /** What keeps the figures from showing anything. */
  failures: string[];
}

const stormMs = 2_000;
const settledMs = 2_000;
const waves = 20;
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

/** Some users lose all their sockets, which come back within two seconds, each into its room; somebody watches. */
export async function weather(crowd: Crowd, guests: readonly Guest[], { lost, users, newcomer }: Storm) {
  const away = (i: number) => i % users < (lost / guests.length) * users;
  const watcher = crowd.clients.find((_, i) => !away(i) && guests[i]?.room === newcomer.room);
  if (!watcher) throw new Error("nobody stays who could watch the storm");
  const lists = () => watcher.counts.online_users ?? 0;
  const before = { lists: lists(), history: await historyOf(watcher) };
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
  const after = { lists: lists(), history: await historyOf(watcher) };

  // Who is back at once has never left, so that there may be no list at all; that this one would hear of it is shown apart.
  await crowd.gather([newcomer], 1);
  const heard = await until(() => lists() > after.lists, { timeoutMs: 10_000 }).then(
    () => true,
    () => false,
  );
  const failures = [
    ...(heard ? [] : ["storm: the watcher was sent no list when somebody new came"]),
    ...(wordsIn(before.history) > 0 ? [] : ["storm: the watcher was told no words before it"]),
    ...(after.history === undefined ? ["storm: the watcher was sent no history after it"] : []),
  ];
  return {
    seconds,
    listsPerRoomAndSecond: (after.lists - before.lists) / (seconds + settledMs / 1_000),
    wordsLost: wordsIn(before.history) - wordsIn(after.history),
    failures,
  } satisfies Weathered;
}
