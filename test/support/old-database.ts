import type { Db, ObjectId } from "mongodb";
import mongoose from "mongoose";

const { ObjectId: Id } = mongoose.mongo;

/** What the server before this one left behind; the passwords are those of the stored hashes. */
export interface OldDatabase {
  alice: { id: ObjectId; nickname: string; email: string; password: string; sid: string; csrfToken: string };
  boris: { id: ObjectId; nickname: string; email: string; password: string; sid: string; csrfToken: string };
}

const alice = {
  id: new Id("655b00000000000000000001"),
  nickname: "alice",
  email: "alice@example.org",
  password: "alice pass",
  sid: "Zx0oldSessionOfAlice_8s7dK2",
  csrfToken: "4f1d".repeat(16),
};
const boris = {
  id: new Id("655b00000000000000000002"),
  nickname: "Борис",
  email: "boris@example.org",
  password: "boris pass",
  sid: "Zx0oldSessionOfBoris_77aKd1",
  csrfToken: "9ae2".repeat(16),
};

const hashes = {
  alice: "$2b$12$8prtO.BHCfqdDG5TsrZJ/.i2TAyko8JTKmXe24DcvS0HUH/kBEC4K",
  boris: "$2b$12$uBQbnEZJsrln/Y1fbKlLWulus0aYLuyhqgF4ibf4lKik8MOhkFyA.",
};

const day = 86_400_000;
const at = (ms: number) => new Date(Date.UTC(2025, 10, 20, 9) + ms);

function user(who: typeof alice, hash: string, more: object): object {
  return {
    _id: who.id,
    nickname: who.nickname,
    email: who.email,
    password: hash,
    role: "member",
    status: "offline",
    createdAt: at(-30 * day),
    lastActive: at(-day),
    banned: false,
    banReason: null,
    banExpires: null,
    warnings: [],
    muteExpires: null,
    failedLoginAttempts: 0,
    accountLockedUntil: null,
    // Nothing below is known to this server.
    avatar: "default.png",
    preferences: { theme: "dark", sounds: false, languages: ["ru", "en"] },
    socketId: "q8s7d6f5g4h3j2k1AAAB",
    __v: 3,
    ...more,
  };
}

function channel(id: string, name: string, type: "text" | "voice", position: number, more: object = {}): object {
  const times = { createdAt: at(-60 * day), updatedAt: at(-60 * day) };
  const rights = { parent: null, permissions: { read: "everyone", write: "everyone" }, locked: false };
  return { _id: new Id(), id, name, type, position, createdBy: "system", ...times, ...rights, __v: 0, ...more };
}

function message(minute: number, author: string, text: string, type: string, more: object = {}): object {
  const fixed = { author, text, channel: "general", type, timestamp: at(minute * 60_000), __v: 0 };
  return { _id: new Id(), ...fixed, target: null, ...more };
}

/** As connect-mongo writes it: the whole session is one text. */
function session(who: typeof alice): object {
  const expires = new Date(Date.now() + day);
  const cookie = { originalMaxAge: day, expires, secure: false, httpOnly: true, path: "/", sameSite: "strict" };
  const told = { authenticated: true, userId: who.id.toHexString(), nickname: who.nickname, role: "member" };
  const more = { csrfToken: who.csrfToken, loginTime: at(0).toISOString(), userAgent: "Mozilla/5.0 (old)" };
  return { _id: who.sid, expires, lastModified: new Date(), session: JSON.stringify({ cookie, ...told, ...more }) };
}

async function oldIndexes(db: Db): Promise<void> {
  await db.collection("users").createIndex({ nickname: 1 }, { unique: true, background: true });
  await db.collection("users").createIndex({ email: 1 }, { unique: true, background: true });
  await db.collection("channels").createIndex({ id: 1 }, { unique: true, name: "channel_slug" });
  await db.collection("messages").createIndex({ channel: 1, timestamp: -1 }, { background: true });
  await db.collection("messages").createIndex({ author: 1, timestamp: -1 }, { background: true });
  await db.collection("messages").createIndex({ channel: 1, type: 1, timestamp: -1 });
  await db.collection("sessions").createIndex({ expires: 1 }, { expireAfterSeconds: 0, background: true });
}

/** Fills an empty database by the raw driver, in exactly the shape of the old server. */
export async function fillOldDatabase(db: Db, { indexes = true } = {}): Promise<OldDatabase> {
  const insert = (name: string, documents: object[]) => db.collection(name).insertMany(documents);
  await insert("users", [
    user(alice, hashes.alice, {
      role: "admin",
      warnings: [{ reason: "spam", issuedBy: "root", issuedAt: at(-2 * day), expires: null, _id: new Id() }],
    }),
    user(boris, hashes.boris, { failedLoginAttempts: 4, accountLockedUntil: at(-3 * day), bio: "пишет ночью" }),
  ]);
  await insert("channels", [
    channel("general", "General", "text", 0, { description: "Everything" }),
    channel("staff", "Staff", "text", 1, {
      createdBy: "alice",
      locked: true,
      permissions: { read: "admin", write: "admin" },
      topic: "unknown to the new server",
    }),
    channel("lounge", "Lounge", "voice", 2, { createdBy: "alice", userLimit: 12 }),
  ]);
  const replied = new Id();
  await insert("messages", [
    message(0, "System", "alice joined the channel.", "system"),
    message(1, "alice", "hello", "public", { _id: replied, status: "delivered", replyTo: null }),
    message(2, "Борис", "привет", "public", { replyTo: replied, edited: true }),
    message(3, "alice", "just you", "private", { target: "Борис", status: "read" }),
    message(4, "Борис", "just me", "private", { target: "alice" }),
    message(5, "carol", "not for alice", "private", { target: "Борис", status: "sent" }),
  ]);
  await insert("sessions", [session(alice), session(boris)]);
  if (indexes) await oldIndexes(db);
  return { alice, boris };
}
