import type { RedisServer } from "../support/redis-server.ts";
import type { Db } from "../support/session-store.ts";

/** What MongoDB has, read with the bare driver, and what Redis holds, read past the product. It shares no code with either. */

export interface Line {
  id: string;
  text: string;
}

interface Stored {
  _id: unknown;
  text?: string;
  author?: string;
  target?: string | null;
  type?: string;
  timestamp: Date;
}

export async function newestIn(db: Db, channel: string, reader: string, limit: number): Promise<Line[]> {
  const all = (await db.collection("messages").find({ channel }).toArray()) as unknown as Stored[];
  return all
    .filter(({ type, author, target }) => type !== "private" || author === reader || target === reader)
    .map((one) => ({
      key: `${one.timestamp.toISOString()} ${String(one._id)}`,
      id: String(one._id),
      text: one.text ?? "",
    }))
    .sort((a, b) => (a.key < b.key ? 1 : -1))
    .slice(0, limit)
    .reverse()
    .map(({ id, text }) => ({ id, text }));
}

export interface Person {
  id: string;
  nickname: string;
  role: string;
  status: string;
  seen: number;
}

export async function peopleIn(db: Db): Promise<Person[]> {
  const all = await db.collection("users").find().toArray();
  return all
    .map((one) => ({
      id: String(one._id),
      nickname: String(one.nickname),
      role: String(one.role),
      status: String(one.status),
      seen: (one.lastActive as Date).getTime(),
    }))
    .sort((a, b) => (a.nickname < b.nickname ? -1 : 1));
}

export const byActivity = (people: readonly Person[]) =>
  [...people].sort((a, b) => b.seen - a.seen || (a.id < b.id ? 1 : -1)).map(({ id }) => id);

export async function channelsIn(db: Db): Promise<string[]> {
  const all = await db.collection("channels").find().toArray();
  const place = (one: (typeof all)[number]) => [Number(one.position), Number(one.createdAt), String(one._id)] as const;
  return all
    .map((one) => ({ id: String(one.id), place: place(one) }))
    .sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1] || (a.place[2] < b.place[2] ? -1 : 1))
    .map(({ id }) => id);
}

/** Complains of a list in Redis that shows somebody's private words, shows one twice, or is out of order. */
export async function faultOf(redis: RedisServer, key: string, limit: number): Promise<string | undefined> {
  const all = (await redis.ask("LRANGE", key, 0, -1)) as string[];
  if (all.length === 0) return undefined;
  if (all.join().includes("secret")) return "it holds private words";
  const lines = all.filter((text) => text.startsWith("{")).map((text) => JSON.parse(text));
  if (lines.length !== all.length - 1) return "it has not one state and else JSON";
  if (lines.length > limit) return `it holds ${lines.length}`;
  if (new Set(lines.map(({ id }) => id)).size !== lines.length) return "it holds one twice";
  const keys = lines.map(({ timestamp, id }) => `${timestamp} ${id}`);
  return keys.every((one, at) => at === 0 || one < (keys[at - 1] ?? "")) ? undefined : "it is out of order";
}
