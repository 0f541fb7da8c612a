import type { Db } from "mongodb";
import mongoose from "mongoose";
import { createEar, type Ear, open } from "../../test/support/sockets.ts";
import { until } from "../../test/support/until.ts";
import { createClient } from "../sessions/client.ts";
import type { Person } from "../sessions/people.ts";

/** Those who change what others read: through the servers, and past them straight into MongoDB. */
export interface Writers {
  readonly counts: { through: number; past: number };
  /** What could not be written, and why. */
  readonly failures: readonly string[];
  /** Nobody writes any more; every word that was said must be in MongoDB, once, now or soon. */
  stop(): Promise<void>;
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
const storedWithinMs = 10_000;

async function enter(url: string, room: string, { cookie, csrfToken }: Person): Promise<Ear> {
  const ear = createEar(url, { cookie, csrfToken });
  const answer = await open(ear);
  if (answer !== "connected") throw new Error(`a speaker was refused: ${answer}`);
  await ear.join(room);
  return ear;
}

/** Nobody and nothing is changed twice within seconds: what was true when must be plain. */
export async function startWriters({ urls, db, people, rooms }: Options): Promise<Writers> {
  const counts = { through: 0, past: 0 };
  const failures: string[] = [];
  const client = createClient();
  const timers: NodeJS.Timeout[] = [];
  const underWay = new Set<Promise<unknown>>();
  const statuses = new Map<string, string>();
  const passing: { id: string; at: number }[] = [];
  const said: string[] = [];
  let turn = 0;
  const of = <T>(list: readonly T[]) => list[turn % list.length] as T;

  const places = urls.flatMap((url) => rooms.map((room) => ({ url, room })));
  const changed = people.slice(places.length);
  const speakers = await Promise.all(places.map(({ url, room }, n) => enter(url, room, people[n] as Person)));

  const every = (ms: number, what: string, work: () => Promise<unknown>) => {
    const run = () => {
      turn += 1;
      const act = work()
        .catch((error: unknown) => failures.push(`${what}: ${error}`))
        .finally(() => underWay.delete(act));
      underWay.add(act);
    };
    timers.push(setInterval(run, ms));
  };
  every(sayMs, "a word", async () => {
    const text = `word ${said.length} of now 😀`;
    said.push(text);
    of(speakers).emit("message", { text });
  });
  every(changeMs, "somebody changed in MongoDB", async () => {
    const { userId } = of(changed);
    const _id = new mongoose.mongo.ObjectId(userId);
    // Either of what others are shown, by itself.
    const status = statuses.get(userId) === "online" ? "offline" : "online";
    const $set = turn % 2 === 0 ? { lastActive: new Date() } : { status };
    if ($set.status) statuses.set(userId, status);
    await db.collection("users").updateOne({ _id }, { $set });
    counts.past += 1;
  });
  every(makeMs, "a channel", async () => {
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
  every(makeMs, "a word in MongoDB", async () => {
    const about = { author: of(changed).nickname, type: "public", target: null, status: "delivered", replyTo: null };
    const words = { text: `written past the servers at ${Date.now()}`, channel: of(rooms), timestamp: new Date() };
    await db.collection("messages").insertOne({ ...about, ...words });
    counts.past += 1;
  });

  /** The words of the speakers that MongoDB has, each as often as it has it. */
  async function stored(): Promise<string[]> {
    const found = await db
      .collection("messages")
      .find({ text: { $in: said } })
      .toArray();
    return found.map(({ text }) => text as string);
  }
  async function quieten(): Promise<void> {
    for (const timer of timers.splice(0)) clearInterval(timer);
    await Promise.all(underWay);
  }

  return {
    counts,
    failures,
    async stop() {
      await quieten();
      await until(async () => (await stored()).length >= said.length, {
        timeoutMs: storedWithinMs,
        everyMs: 200,
      }).catch(() => undefined);
      const there = await stored();
      const missing = said.filter((text) => !there.includes(text));
      counts.through += said.length - missing.length;
      if (missing.length > 0)
        failures.push(`${missing.length} of ${said.length} words are not in MongoDB, as "${missing[0]}"`);
      if (there.length > new Set(there).size) failures.push("words are in MongoDB more than once");
      for (const ear of speakers) for (const { message } of ear.all("error")) failures.push(`a word: ${message}`);
    },
    async close() {
      await quieten();
      for (const ear of speakers) ear.close();
      client.close();
    },
  };
}
