import { setTimeout as pause } from "node:timers/promises";
import { type Client, openClient } from "./client.ts";

export interface Ticket {
  readonly cookie?: string;
  readonly auth: object;
}

/** Many clients of one server, and what they were sent. */
export interface Crowd {
  readonly clients: readonly Client[];
  readonly delivered: number;
  readonly ended: number;
  /** Opens so many at once at most; answers when all are in their rooms. */
  gather(tickets: readonly { ticket: Ticket; room: string }[], atOnce: number): Promise<void>;
  /** A few words in each room, heard by everybody in it before the next few; answers how many were heard. */
  talk(speakers: readonly Client[], roomSize: number, ms: number): Promise<number>;
  /** Leaves without a word. */
  drop(clients: readonly Client[]): void;
  close(): void;
}

const text = "x".repeat(100);
const patienceMs = 60_000;
const inFlight = 4;

export function createCrowd(url: string): Crowd {
  let clients: Client[] = [];
  let delivered = 0;
  let ended = 0;

  async function waitFor(what: string, condition: () => boolean): Promise<void> {
    for (const began = performance.now(); !condition(); await pause(5))
      if (performance.now() - began > patienceMs) throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
  }

  return {
    get clients() {
      return clients;
    },
    get delivered() {
      return delivered;
    },
    get ended() {
      return ended;
    },
    async gather(tickets, atOnce) {
      const fresh: Client[] = [];
      for (const { ticket, room } of tickets) {
        const pending = () => fresh.slice(-atOnce * 2).filter(({ joined }) => !joined).length;
        if (fresh.length % 20 === 0) await waitFor("handshakes", () => pending() < atOnce);
        const { cookie, auth } = ticket;
        const client = openClient({
          ...{ url, auth, room },
          ...(cookie ? { cookie } : {}),
          onMessage: () => void delivered++,
          onEnd: () => void ended++,
        });
        fresh.push(client);
        clients.push(client);
      }
      await waitFor("everybody to be in their room", () => fresh.every(({ joined }) => joined));
    },
    async talk(speakers, roomSize, ms) {
      const began = performance.now();
      const before = delivered;
      let expected = before;
      while (performance.now() - began < ms) {
        for (let i = 0; i < inFlight; i++) for (const speaker of speakers) speaker.emit("message", { text });
        expected += inFlight * speakers.length * roomSize;
        const wanted = expected;
        await waitFor("deliveries", () => delivered >= wanted);
      }
      return delivered - before;
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
