import { createHmac, randomBytes } from "node:crypto";
import { hash as bcrypt } from "@node-rs/bcrypt";
import jwt from "jsonwebtoken";
import mongoose from "mongoose";
import type { Log } from "../../src/kernel/log.ts";
import { withStore } from "./store.ts";

export interface Secrets {
  readonly jwt: string;
  readonly session: string;
}

/** Somebody who is logged in, or was: what their browser keeps, and what must be true of it. */
export interface Person {
  readonly userId: string;
  readonly nickname: string;
  readonly email: string;
  cookie: string;
  handle: string;
  readonly csrfToken: string;
  token: string;
  /** Something is being done with the session, or it is too early to judge what was done. */
  busy: boolean;
  /** The session is to be there; afterwards it is not. */
  alive: boolean;
  /** When it was written or ended last, by `performance.now()`; 0 for never. */
  changedAt: number;
}

export const password = "correct horse";
export const cookieName = "chatSession";
const dayMs = 86_400_000;
const atOnce = 100;

export function signedCookie(sid: string, secret: string): string {
  const signature = createHmac("sha256", secret).update(sid).digest("base64").replace(/=+$/, "");
  return `${cookieName}=${encodeURIComponent(`s:${sid}.${signature}`)}`;
}

export function tokenFor(person: Pick<Person, "userId" | "nickname" | "csrfToken">, handle: string, secret: string) {
  const { userId, nickname, csrfToken } = person;
  return jwt.sign({ userId, nickname, role: "member", csrfToken, sessionId: handle }, secret, { expiresIn: "24h" });
}

export const newHandle = () => randomBytes(24).toString("base64url");

function userOf({ userId, nickname, email }: Person, hash: string): object {
  const none = { banned: false, banReason: null, banExpires: null, warnings: [], muteExpires: null };
  const at = new Date();
  return {
    _id: new mongoose.mongo.ObjectId(userId),
    nickname,
    email,
    password: hash,
    role: "member",
    status: "offline",
    createdAt: at,
    lastActive: at,
    failedLoginAttempts: 0,
    accountLockedUntil: null,
    ...none,
  };
}

function sessionOf({ userId, nickname, csrfToken, handle }: Person): object {
  const expires = new Date(Date.now() + dayMs).toISOString();
  const cookie = { originalMaxAge: dayMs, expires, secure: false, httpOnly: true, path: "/", sameSite: "lax" };
  const told = { authenticated: true, userId, nickname, role: "member", csrfToken, handle };
  return { cookie, ...told, loginTime: new Date().toISOString(), userAgent: "drill" };
}

/** Makes users, and a live session for each of them through the product's own store. */
export async function mint(count: number, urls: { mongo: string; redis: string }, secrets: Secrets, log: Log) {
  const hash = await bcrypt(password, { cost: 4 });
  const client = await mongoose.mongo.MongoClient.connect(urls.mongo);
  const people: Person[] = [];
  const handles: { _id: string; sid: string; userId: string; expires: Date }[] = [];
  try {
    const run = randomBytes(3).toString("hex");
    for (let n = 0; n < count; n += 1) {
      const userId = new mongoose.mongo.ObjectId().toHexString();
      const nickname = `person-${run}-${n}`;
      const sid = randomBytes(24).toString("base64url");
      const handle = newHandle();
      const csrfToken = randomBytes(32).toString("hex");
      const named = { userId, nickname, csrfToken };
      const token = tokenFor(named, handle, secrets.jwt);
      const cookie = signedCookie(sid, secrets.session);
      const state = { busy: false, alive: true, changedAt: 0 };
      people.push({ ...named, email: `${nickname}@example.org`, cookie, handle, token, ...state });
      handles.push({ _id: handle, sid, userId, expires: new Date(Date.now() + dayMs) });
    }
    const db = client.db();
    await db.collection("users").insertMany(people.map((person) => userOf(person, hash)));
    await db.collection<{ _id: string }>("session_handles").insertMany(handles);
    await withStore({ client, redisUrl: urls.redis, log }, async ({ set }) => {
      let next = 0;
      const worker = async () => {
        for (let n = next++; n < count; n = next++) {
          const [person, handle] = [people[n], handles[n]];
          if (person && handle) await set(handle.sid, sessionOf(person));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
    });
    return people;
  } finally {
    await client.close(true);
  }
}
