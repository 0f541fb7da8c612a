import { setTimeout as pause } from "node:timers/promises";
import { type Client, openClient } from "./client.ts";

interface Ticket {
  readonly cookie?: string;
  readonly auth: object;
}

export interface Guest {
  ticket: Ticket;
  room: string;
}

/** Many clients of one server, and what they were sent. */
export interface Crowd {
  readonly clients: readonly Client[];
  /** Connections that ended by themselves. */
  readonly ended: number;
  /** Opens so many at once at most; answers when all are in their rooms. */
  gather(guests: readonly Guest[], atOnce: number): Promise<void>;
  /** A few words in each room, heard by everybody in it before the next few. */
  talk(speakers: readonly Client[], how: Talk): Promise<Heard>;
  /** How many deliveries more there were since the last talk began than it had words to deliver. */
  surplus(): Promise<number>;
  /** Leaves without a word. */
  drop(clients: readonly Client[]): void;
  close(): void;
}

interface Talk {
  roomSize: number;
  ms: number;
  /** Words of each speaker at a time. */
  atOnce: number;
}

interface Heard {
  count: number;
  /** From a word's being sent until one of those who read it had it, in ms. */
  waits: number[];
}

const patienceMs = 60_000;
/** Whatever is delivered twice has come again by then. */
const settledMs = 100;
/** One of so many clients reads what it is sent; the others only count. */
const readers = 40;

/** 100 bytes that begin with when they were sent. */
const words = () => `${performance.now().toFixed(3)} `.padEnd(100, "x");
const sentAt = (frame: Buffer) => Number(/"text":"([\d.]+) /.exec(frame.toString("latin1"))?.[1]);

export function createCrowd(url: string): Crowd {
  let clients: Client[] = [];
  let delivered = 0;
  /** Of which all are words of the talks, when nobody comes or goes. */
  let expected = 0;
  let ended = 0;
  let opened = 0;
  let waits: number[] = [];

  const count = () => void delivered++;
  const read = (frame: Buffer) => {
    delivered++;
    waits.push(performance.now() - sentAt(frame));
  };

  async function waitFor(what: string, condition: () => boolean): Promise<void> {
    for (const began = performance.now(); !condition(); await pause(5))
      if (performance.now() - began > patienceMs) throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
  }

  return {
    get clients() {
      return clients;
    },
    get ended() {
      return ended;
    },
    async gather(guests, atOnce) {
      const fresh: Client[] = [];
      for (const { ticket, room } of guests) {
        const pending = () => fresh.slice(-atOnce * 2).filter(({ joined }) => !joined).length;
        if (fresh.length % 20 === 0) await waitFor("handshakes", () => pending() < atOnce);
        const { cookie, auth } = ticket;
        const client = openClient({
          ...{ url, auth, room },
          ...(cookie ? { cookie } : {}),
          onMessage: opened++ % readers === 0 ? read : count,
          onEnd: () => void ended++,
        });
        fresh.push(client);
        clients.push(client);
      }
      await waitFor("everybody to be in their room", () => fresh.every(({ joined }) => joined));
    },
    async talk(speakers, { roomSize, ms, atOnce }) {
      const began = performance.now();
      const before = delivered;
      expected = before;
      waits = [];
      while (performance.now() - began < ms) {
        for (let i = 0; i < atOnce; i++) for (const speaker of speakers) speaker.emit("message", { text: words() });
        expected += atOnce * speakers.length * roomSize;
        await waitFor("deliveries", () => delivered >= expected);
      }
      return { count: expected - before, waits };
    },
    async surplus() {
      await pause(settledMs);
      return delivered - expected;
    },
    drop(some) {
      for (const client of some) client.close();
      const gone = new Set(some);
      clients = clients.filter((client) => !gone.has(client));
    },
    close() {
      for (const client of clients) client.close();
    },
  };
}
