import type { Db } from "mongodb";
import { io, type Socket } from "socket.io-client";
import type { Visitor } from "./seed.ts";

export interface Writes {
  /** Has begun. */
  readonly ready: Promise<void>;
  readonly count: number;
  readonly failed: number;
  close(): Promise<void>;
}

export function openSocket(url: string, { cookie, csrfToken }: Visitor): Socket {
  return io(url, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
    auth: { csrfToken },
    extraHeaders: { Cookie: cookie },
  });
}

/** Ends when it is in the room and has been shown its past; a server that refuses it is no server to measure. */
export function entered(socket: Socket, room: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect_error", ({ message }) => reject(new Error(`a socket was refused: ${message}`)));
    socket.once("connect", () => socket.emit("join_room", { room }));
    socket.once("history", () => resolve());
  });
}

const livesMs = 3_000;

/**
 * What goes on in a chat while it is read: messages, people who come and go, channels that are made here and removed past
 * the server; ten writes a second.
 */
export function beginWrites(url: string, db: Db, visitors: Visitor[]): Writes {
  const timers: NodeJS.Timeout[] = [];
  const made: { id: string; at: number }[] = [];
  let count = 0;
  let failed = 0;
  let turn = 0;
  const next = () => visitors[turn++ % visitors.length] as Visitor;
  const talker = openSocket(url, next());
  let passing: Socket | undefined;
  const ready = entered(talker, "channel-0");
  talker.on("message", () => {
    count += 1;
  });

  async function makeChannel(): Promise<void> {
    const { token } = next();
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ name: `passing ${turn}`, type: "text", description: "for a moment" });
    const response = await fetch(`${url}/api/channels`, { method: "POST", headers, body });
    if (response.status !== 201) throw new Error(String(response.status));
    made.push({ id: ((await response.json()) as { id: string }).id, at: Date.now() });
    count += 1;
    while (made[0] && made[0].at < Date.now() - livesMs) {
      await db.collection("channels").deleteOne({ id: made.shift()?.id });
      count += 1;
    }
  }
  const every = (ms: number, work: () => unknown) => {
    const run = async () => work();
    timers.push(
      setInterval(() => {
        run().catch(() => {
          failed += 1;
        });
      }, ms),
    );
  };
  every(200, () => talker.emit("message", { text: `What is said at ${Date.now()}` }));
  every(1_000, makeChannel);
  every(700, () => {
    passing?.disconnect();
    passing = openSocket(url, next());
    count += 1;
  });

  return {
    ready,
    get count() {
      return count;
    },
    get failed() {
      return failed;
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      talker.disconnect();
      passing?.disconnect();
      await db.collection("channels").deleteMany({ id: { $in: made.map(({ id }) => id) } });
    },
  };
}
