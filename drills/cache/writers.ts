import type { Db } from "mongodb";
import mongoose from "mongoose";
import { openSocket } from "../../bench/cache/writes.ts";
import { createClient } from "../sessions/client.ts";
import type { Person } from "../sessions/people.ts";

/** Those who change what others read: through the servers, and past them straight into MongoDB. */
export interface Writers {
  readonly counts: { through: number; past: number; failed: number };
  close(): Promise<void>;
}

interface Options {
  urls: readonly string[];
  db: Db;
  people: readonly Person[];
  rooms: readonly string[];
}

const sayMs = 150;
const changeMs = 200;
const makeMs = 700;
const livesMs = 5_000;

/** Nobody and nothing is changed twice within seconds: what was true when must be plain. */
export function startWriters({ urls, db, people, rooms }: Options): Writers {
  const counts = { through: 0, past: 0, failed: 0 };
  const client = createClient();
  const timers: NodeJS.Timeout[] = [];
  const statuses = new Map<string, string>();
  const passing: { id: string; at: number }[] = [];
  let turn = 0;
  const of = <T>(list: readonly T[]) => list[turn % list.length] as T;

  const speakers = urls.flatMap((url, n) =>
    rooms.map((room, at) => {
      const person = people[n * rooms.length + at] as Person;
      const socket = openSocket(url, { ...person, id: person.userId });
      socket.on("connect", () => socket.emit("join_room", { room }));
      return socket;
    }),
  );
  const changed = people.slice(speakers.length);

  const every = (ms: number, work: () => Promise<unknown>) => {
    const run = () => {
      turn += 1;
      work().catch(() => {
        counts.failed += 1;
      });
    };
    timers.push(setInterval(run, ms));
  };
  every(sayMs, async () => {
    of(speakers).emit("message", { text: `said at ${Date.now()} 😀` });
    counts.through += 1;
  });
  every(changeMs, async () => {
    const { userId } = of(changed);
    const _id = new mongoose.mongo.ObjectId(userId);
    // Either of what others are shown, by itself.
    const status = statuses.get(userId) === "online" ? "offline" : "online";
    const $set = turn % 2 === 0 ? { lastActive: new Date() } : { status };
    if ($set.status) statuses.set(userId, status);
    await db.collection("users").updateOne({ _id }, { $set });
    counts.past += 1;
  });
  every(makeMs, async () => {
    const body = { name: `passing ${Date.now()}`, type: "text" };
    const reply = await client.ask(`${of(urls)}/api/channels`, { method: "POST", token: of(changed).token, body });
    if (reply.status !== 201) throw new Error(String(reply.status));
    counts.through += 1;
    passing.push({ id: reply.body.id, at: Date.now() });
    while (passing[0] && passing[0].at < Date.now() - livesMs) {
      await db.collection("channels").deleteOne({ id: passing.shift()?.id });
      counts.past += 1;
    }
  });
  every(makeMs, async () => {
    const about = { author: of(changed).nickname, type: "public", target: null, status: "delivered", replyTo: null };
    const words = { text: `written past the servers at ${Date.now()}`, channel: of(rooms), timestamp: new Date() };
    await db.collection("messages").insertOne({ ...about, ...words });
    counts.past += 1;
  });

  return {
    counts,
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of speakers) socket.disconnect();
      client.close();
    },
  };
}
