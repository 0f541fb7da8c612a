import { randomBytes } from "node:crypto";
import type { Db } from "mongodb";
import mongoose from "mongoose";
import { signedCookie, tokenFor } from "../../drills/sessions/people.ts";
import { withStore } from "../../drills/sessions/store.ts";
import { troubles } from "../../drills/support/quiet.ts";

export const secret = "of the bench for tokens and cookies alike";
export const sizes = { users: 500, channels: 50, messages: 200_000 };

/** Somebody who is logged in: what the load sends, and what a socket shows. */
export interface Visitor {
  id: string;
  nickname: string;
  token: string;
  cookie: string;
  csrfToken: string;
}

const day = 86_400_000;

function sessionOf(user: { _id: unknown; nickname: string }) {
  const sid = randomBytes(18).toString("base64url");
  const handle = randomBytes(24).toString("base64url");
  const csrfToken = randomBytes(32).toString("hex");
  const expires = new Date(Date.now() + day);
  const userId = String(user._id);
  const { nickname } = user;
  const about = { authenticated: true, userId, nickname, role: "member", csrfToken, handle };
  const cookie = { originalMaxAge: day, expires, httpOnly: true, path: "/", sameSite: "lax", secure: false };
  return {
    session: { cookie, ...about },
    handle: { _id: handle, sid, userId, expires },
    visitor: {
      id: userId,
      nickname,
      csrfToken,
      token: tokenFor({ userId, nickname, csrfToken }, handle, secret),
      cookie: signedCookie(sid, secret),
    } satisfies Visitor,
  };
}

const mostVisitors = 1_000;

/** A chat that has been used for a while, and everybody in it logged in, up to a thousand. */
export async function seed(db: Db, size: typeof sizes = sizes): Promise<Visitor[]> {
  const now = Date.now();
  const users = Array.from({ length: size.users }, (_, n) => ({
    _id: new mongoose.mongo.ObjectId(),
    nickname: `Visitor number ${n}`,
    email: `visitor${n}@example.com`,
    password: "$2b$12$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu",
    role: "member",
    status: n % 3 === 0 ? "online" : "offline",
    createdAt: new Date(now - day * 30 - n * 61_000),
    lastActive: new Date(now - n * 7_919),
  }));
  const channels = Array.from({ length: size.channels }, (_, n) => ({
    id: `channel-${n}`,
    name: `Channel number ${n}`,
    type: n % 7 === 6 ? "voice" : "text",
    description: `A place to talk about subject ${n}, and about whatever else comes to the minds of those who are there. `,
    createdBy: `Visitor number ${n}`,
    position: n,
    createdAt: new Date(now - day * 20 - n * 1_000),
  }));
  await db.collection<object>("users").insertMany(users);
  await db.collection<object>("channels").insertMany(channels);
  for (let from = 0; from < size.messages; from += 10_000)
    await db.collection<object>("messages").insertMany(
      Array.from({ length: 10_000 }, (_, at) => ({
        author: `Visitor number ${(from + at) % size.users}`,
        text: `What I wanted to say for the ${from + at}th time is that it takes a few words to say anything at all.`,
        channel: `channel-${(from + at) % size.channels}`,
        type: "public",
        target: null,
        timestamp: new Date(now - (size.messages - from - at) * 1_000),
        status: "delivered",
        replyTo: null,
      })),
    );
  const sessions = users.slice(0, mostVisitors).map(sessionOf);
  // By a server like those that are measured: of what others wrote it would look each time whether it had been ended.
  await withStore({ client: db.client, log: troubles }, ({ set }) =>
    Promise.all(sessions.map(({ handle, session }) => set(handle.sid, session))),
  );
  await db.collection<{ _id: string }>("session_handles").insertMany(sessions.map(({ handle }) => handle));
  return sessions.map(({ visitor }) => visitor);
}
