import { setTimeout as pause } from "node:timers/promises";
import { type Held, heldBy } from "../stage/held.ts";
import { cpuOf } from "../stage/processes.ts";
import type { Crowd, Guest } from "./crowd.ts";

/** A server full of connections. */
export interface Side {
  readonly name: string;
  readonly crowd: Crowd;
  readonly pid: number;
  /** For each connection, in kilobytes. */
  readonly each: { readonly objects: number; readonly process: number };
  readonly connectSeconds: number;
  /** Of a processor, while everybody is connected and nobody speaks; as far as that was looked at. */
  readonly idleShare?: number;
  /** While there are as many words as can be, and while there is one at a time. */
  readonly crowded: Heard[];
  readonly alone: Heard[];
  /** Connections that were in their rooms at the end of the rounds. */
  connected: number;
  readonly failures: string[];
}

/** In one round. */
export interface Heard {
  /** Deliveries for a second of the server's processor. */
  readonly gross: number;
  /** The same without what the server does by the clock, where that is known. */
  readonly net: number;
  /** Until a word was there, in ms. */
  readonly waits: number[];
}

export interface Talks {
  /** Of the rooms, in how many words are said. */
  rooms: number;
  roomSize: number;
  ms: number;
}

export const wordsAtOnce = 4;
const handshakesAtOnce = 100;
/** Each connection is pinged once in 25 s, so that less would tell of the pings of some. */
const idleMs = 26_000;
const aloneMs = 700;
const settledMs = 1_000;

export async function enter(name: string, crowd: Crowd, pid: number, guests: Guest[]): Promise<Side> {
  await crowd.gather(guests.slice(0, 50), handshakesAtOnce);
  await pause(settledMs);
  const before = await heldBy(pid);
  const began = performance.now();
  await crowd.gather(guests.slice(50), handshakesAtOnce);
  const connectSeconds = (performance.now() - began) / 1_000;
  await pause(settledMs);
  const after = await heldBy(pid);
  const of = (what: keyof Held) => (after[what] - before[what]) / (guests.length - 50) / 1_024;
  const each = { objects: of("heapUsed") + of("external"), process: of("rss") };
  const nothingYet = { crowded: [], alone: [], connected: 0, failures: [] };
  return { name, crowd, pid, each, connectSeconds, ...nothingYet };
}

/** Both at the same time, so that the machine is the same for them. */
export async function beIdle(sides: readonly Side[]): Promise<Side[]> {
  const before = sides.map(({ pid }) => cpuOf(pid));
  const began = performance.now();
  await pause(idleMs);
  const seconds = (performance.now() - began) / 1_000;
  return sides.map((side, n) => ({ ...side, idleShare: (cpuOf(side.pid) - (before[n] ?? 0)) / seconds }));
}

/** As many words as can be heard, and then one at a time. */
export async function hold(side: Side, { rooms, roomSize, ms }: Talks): Promise<Record<"crowded" | "alone", Heard>> {
  const { name, crowd, pid, idleShare = 0 } = side;
  const speakers = crowd.clients.slice(0, rooms);

  async function talk(by: typeof speakers, ms: number, atOnce: number): Promise<Heard> {
    const [before, began] = [cpuOf(pid), performance.now()];
    const { count, waits } = await crowd.talk(by, { roomSize, ms, atOnce });
    const spent = cpuOf(pid) - before;
    const byTheClock = (idleShare * (performance.now() - began)) / 1_000;
    const surplus = await crowd.surplus();
    if (surplus > 0) side.failures.push(`${name}: ${surplus} deliveries more than the ${count} that were due`);
    return { gross: count / spent, net: count / (spent - byTheClock), waits };
  }

  const crowded = await talk(speakers, ms, wordsAtOnce);
  const alone = await talk(speakers.slice(0, 1), aloneMs, 1);
  side.connected = crowd.clients.filter(({ joined }) => joined).length;
  return { crowded, alone };
}
