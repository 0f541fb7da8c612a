import { setTimeout as pause } from "node:timers/promises";
import type { Db } from "mongodb";
import { io, type Socket } from "socket.io-client";
import { until } from "../../test/support/until.ts";
import { createSchedule, type createTally, type Done } from "../stage/schedule.ts";
import type { Visitor } from "../stage/seed.ts";

interface Writes {
  /** Has begun. */
  readonly ready: Promise<void>;
  /** What was written until then. */
  close(): Promise<Done[]>;
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
const goneMs = 20_000;
/** What a server with another Redis has written is heard of by change stream, and looked for in Redis a moment later. */
const heardMs = 1_000;
const patienceMs = 10_000;

/** The work, among writes; what was written is added to what was before, and it ends however the work does. */
export async function amongWrites<T>(
  url: string,
  { db, visitors, written }: { db: Db; visitors: Visitor[]; written: ReturnType<typeof createTally> },
  work: () => Promise<T>,
): Promise<T> {
  const writes = beginWrites(url, db, visitors);
  try {
    await writes.ready;
    return await work();
  } finally {
    written.add(await writes.close());
  }
}

/**
 * What goes on in a chat while it is read: messages, people who come and go, and channels, which are made here and removed
 * past the server.
 */
function beginWrites(url: string, db: Db, visitors: Visitor[]): Writes {
  const made: { id: string; at: number }[] = [];
  let turn = 0;
  const next = () => visitors[turn++ % visitors.length] as Visitor;
  const talker = openSocket(url, next());
  let passing: Socket | undefined;
  const ready = entered(talker, "channel-0");
  const unheard = new Map<string, () => void>();
  talker.on("message", ({ text }: { text: string }) => unheard.get(text)?.());

  function speak(): Promise<void> {
    const text = `What is said at ${performance.now()}`;
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not heard within ${patienceMs} ms`)), patienceMs);
      unheard.set(text, () => {
        clearTimeout(timer);
        resolve();
      });
      talker.emit("message", { text });
    }).finally(() => unheard.delete(text));
  }

  async function comeAndGo(): Promise<void> {
    const came = openSocket(url, next());
    await new Promise<void>((resolve, reject) => {
      came.once("connect", resolve);
      came.once("connect_error", reject);
    });
    passing?.disconnect();
    passing = came;
  }

  async function makeChannel(): Promise<void> {
    const { token } = next();
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const body = JSON.stringify({ name: `passing ${turn}`, type: "text", description: "for a moment" });
    const signal = AbortSignal.timeout(patienceMs);
    const response = await fetch(`${url}/api/channels`, { method: "POST", headers, body, signal });
    if (response.status !== 201) throw new Error(`a new channel was answered ${response.status}`);
    made.push({ id: ((await response.json()) as { id: string }).id, at: Date.now() });
    while (made[0] && made[0].at < Date.now() - livesMs)
      await db.collection("channels").deleteOne({ id: made.shift()?.id });
  }

  const schedule = createSchedule();
  schedule.every(200, "messages", speak);
  schedule.every(1_000, "channels made and removed", makeChannel);
  schedule.every(700, "people who come and go", comeAndGo);

  return {
    ready,
    async close() {
      const done = await schedule.close();
      talker.disconnect();
      passing?.disconnect();
      await db.collection("channels").deleteMany({ id: { $in: made.map(({ id }) => id) } });
      // The next side has the same MongoDB, and is not to be blamed for what this one still writes.
      const online = () => db.collection("users").countDocuments({ status: "online" });
      await until(async () => (await online()) === 0, { timeoutMs: goneMs, describe: "that everybody has gone" });
      await pause(heardMs);
      return done;
    },
  };
}
