import type { SessionData, Store } from "express-session";
import type { Db } from "mongodb";
import { createHandles } from "./handles.ts";
import { destroySession, readSession } from "./store-calls.ts";
import type { ChatSession, SessionGate } from "./types.ts";

interface Options {
  store: Store;
  db: Db;
  /** connect-mongo's collection, searched for sessions of the old server when all of a user's are ended. */
  collection: string;
}

function asChatSession(data: SessionData | null): ChatSession | null {
  const session = data as Partial<ChatSession> | null;
  return session?.authenticated === true && typeof session.userId === "string" ? (session as ChatSession) : null;
}

const sweepMs = 1_500;

export function createSessionGate({ store, db, collection }: Options): SessionGate {
  const handles = createHandles(db);
  const documents = db.collection<{ _id: string; session: unknown }>(collection);

  async function confirmed(sid: string | null | undefined, handle: string, userId?: string) {
    if (!sid) return null;
    const session = asChatSession(await readSession(store, sid));
    if (session?.handle !== handle || (userId !== undefined && session.userId !== userId)) return null;
    return { sid, session };
  }

  async function end(sid: string, handle?: string): Promise<void> {
    if (handle) await handles.remove(handle);
    await destroySession(store, sid);
  }

  /**
   * Sessions without a handle can only be told by what is in them; connect-mongo keeps that as text or as an object. It is a
   * walk through all of them, so it may give up: they are dead already by the time in their user's record.
   */
  async function withoutHandle(userId: string): Promise<string[]> {
    const named = new RegExp(`"userId":"${userId}"`);
    const found = await documents
      .find({ $or: [{ session: named }, { "session.userId": userId }] }, { projection: { _id: 1 }, maxTimeMS: sweepMs })
      .toArray()
      .catch(() => []);
    return found.map((document) => document._id);
  }

  return {
    store,
    async byHandle(handle, userId) {
      return (
        (await confirmed(handles.hint(handle), handle, userId)) ??
        (await confirmed(await handles.lookUp(handle), handle, userId))
      );
    },
    async bySid(sid) {
      const session = asChatSession(await readSession(store, sid));
      if (session?.handle !== undefined) handles.seen(session.handle, sid);
      return session;
    },
    async gone(sids) {
      const found = await documents.find({ _id: { $in: [...sids] } }, { projection: { _id: 1 } }).toArray();
      const there = new Set(found.map(({ _id }) => _id));
      return sids.filter((sid) => !there.has(sid));
    },
    async bind(handle, sid, userId, expires) {
      const before = await handles.bind(handle, sid, userId, expires);
      // Two logins at once with one cookie: the one that lost must not live on beside a logout.
      if (before && before !== sid) await destroySession(store, before);
    },
    end,
    async endAll(userId) {
      const known = await handles.ofUser(userId);
      await Promise.all(known.map(({ sid, handle }) => end(sid, handle)));
      const rest = await withoutHandle(userId);
      await Promise.all(rest.map((sid) => end(sid)));
      return known.length + rest.length;
    },
  };
}
