import type { Collection, Document } from "mongodb";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createChatServices } from "../../src/chat/services/index.ts";
import { visibleTo } from "../../src/chat/services/messages.ts";
import type { ChatServices, Standing } from "../../src/chat/services/types.ts";
import { createHandles, type Handles } from "../../src/chat/sessions/handles.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { migrateUp } from "../../src/mongo/migrate.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { assertIndexed, explainAll } from "../support/explain.ts";
import { createRecorder } from "../support/recorder.ts";

const url = mongoUrl("explain");
const log = createRecorder();
const id = (n: number) => new mongoose.Types.ObjectId(n.toString(16).padStart(24, "0"));
const start = Date.UTC(2026, 0, 1);
const historyLimit = 50;

let link: MongoLink;
let chat: ChatServices;
let handles: Handles;
let cursor: string;

/** A busy channel, and one in which private messages between two have buried everything else. */
function messages(): object[] {
  const of = (channel: string, i: number, more: object) => {
    const at = { channel, timestamp: new Date(start + i * 1000) };
    return { author: `user-${i % 300}`, text: "x", type: "public", target: null, status: "delivered", ...at, ...more };
  };
  const busy = Array.from({ length: 6_000 }, (_, i) => {
    if (i % 20 === 0) return of("busy", i, { type: "system", author: "System" });
    return of("busy", i, i % 3 === 0 ? { type: "private", target: `user-${(i * 7) % 300}` } : {});
  });
  const open = Array.from({ length: 4_000 }, (_, i) => of("buried", i, {}));
  const hidden = { type: "private", author: "mallory", target: "trudy" };
  const buried = Array.from({ length: 10_000 }, (_, i) => of("buried", 4_000 + i, hidden));
  return [...busy, ...open, ...buried];
}

beforeAll(async () => {
  link = await connectMongo({ url, timeoutMs: 20_000, poolSize: 10, log, monitorCommands: true });
  await migrateUp({ url, log });
  const { db } = link;
  const users = Array.from({ length: 300 }, (_, n) => ({
    _id: id(n),
    nickname: `user-${n}`,
    email: `user-${n}@example.org`,
    password: "$2b$04$uBQbnEZJsrln/Y1fbKlLWulus0aYLuyhqgF4ibf4lKik8MOhkFyA.",
    role: "member",
    status: n % 2 ? "online" : "offline",
    createdAt: new Date(start + n),
    lastActive: new Date(start + n),
  }));
  await db.collection("users").insertMany(users);
  const channels = Array.from({ length: 200 }, (_, n) => ({
    id: `room-${n}`,
    name: `Room ${n}`,
    type: "text",
    position: n,
  }));
  await db.collection("channels").insertMany(channels);
  await db.collection("messages").insertMany(messages());
  const expires = new Date(Date.now() + 3_600_000);
  const bound = Array.from({ length: 300 }, (_, n) => ({
    _id: `handle-${n}`,
    sid: `sid-${n}`,
    userId: `${n % 30}`,
    expires,
  }));
  await db.collection<{ _id: string }>("session_handles").insertMany(bound);
  chat = createChatServices({ connection: link.connection, config: { PASSWORD_COST: 4, HISTORY_LIMIT: historyLimit } });
  handles = createHandles(db);
  cursor = (await chat.messages.page("busy", "user-7", { limit: 50 })).before ?? "";
});
afterAll(async () => {
  await link?.close();
  await dropDatabase(url);
});

const explain = (work: () => Promise<unknown>) => explainAll(link.client, link.db, work);

describe("the explanation", () => {
  it("finds fault with a walk of the collection and with a sort in memory", async () => {
    const raw = link.db.collection("messages");
    await expect(explain(() => raw.findOne({ text: "y" }))).rejects.toThrow(/COLLSCAN/);
    await expect(explain(() => raw.find({ author: "user-1" }).sort({ text: 1 }).toArray())).rejects.toThrow(/SORT/);
    await expect(explain(() => raw.updateMany({ text: "y" }, { $set: { a: 1 } }))).rejects.toThrow(/COLLSCAN/);
    await expect(explain(() => raw.aggregate([{ $match: { text: "y" } }]).toArray())).rejects.toThrow(/COLLSCAN/);
    expect(() => assertIndexed({ ok: 1 })).toThrow(/No plan/);
  });
});

describe("a read of the chat is one query by an index:", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["a user's standing", () => chat.users.standing(id(7).toHexString())],
    ["a user by nickname", () => chat.users.byNickname("user-7")],
    ["all users by nickname", () => chat.users.list()],
    ["all channels in order", () => chat.channels.list()],
    ["a channel", () => chat.channels.byId("room-7")],
    ["the newest messages of a channel", () => chat.messages.recent("busy", "user-7")],
    ["the newest messages among many hidden ones", () => chat.messages.recent("buried", "user-7")],
    ["the newest messages of a channel without any", () => chat.messages.recent("room-7", "user-7")],
    ["the first page", () => chat.messages.page("busy", "user-7", { limit: 50 })],
    ["a page before a cursor", () => chat.messages.page("busy", "user-7", { before: cursor, limit: 50 })],
    ["a session's handle", () => handles.lookUp("handle-7")],
    ["the handles of a user", () => handles.ofUser("7")],
    ["a handle by its session", () => link.db.collection("session_handles").findOne({ sid: "sid-7" })],
  ])("%s", async (_, read) => {
    expect(await explain(read)).toHaveLength(1);
  });

  it("users by activity, those who were never seen last", async () => {
    const users = link.db.collection("users");
    const last = Buffer.from(`${start + 10}.${id(10).toHexString()}`).toString("base64url");
    await link.db.setProfilingLevel("all");
    const { users: found } = await chat.users.page({ limit: 20, cursor: last });
    await link.db.setProfilingLevel("off");
    const read = await link.db
      .collection("system.profile")
      .find({ op: "query", ns: users.namespace, "command.limit": { $exists: true } })
      .toArray();
    expect(found).toHaveLength(10);
    expect(read.map(({ planSummary }) => planSummary)).not.toContain("COLLSCAN");
    expect(read).toHaveLength(2);
    for (const { docsExamined, command } of read)
      expect(docsExamined, JSON.stringify(command.filter)).toBeLessThanOrEqual(20);
  });

  it("users of a moderator's page, newest first", async () => {
    const all = await explain(() => chat.moderation.listUsers(2, 20));
    const pages = all.filter(({ command }) => command.find === "users");
    expect(pages.map(({ docsExamined }) => docsExamined)).toEqual([40]);
    expect(all).toHaveLength(2);
  });
});

describe("what the chat looks up in order to write goes by an index:", () => {
  const moderator = { id: id(1).toHexString(), nickname: "user-1" } as Standing;

  it.each<[string, () => Promise<unknown>]>([
    ["a login by nickname", () => chat.accounts.login("user-7", "wrong")],
    ["a login by e-mail", () => chat.accounts.login("USER-7@example.org", "wrong")],
    ["a registration", () => chat.accounts.register({ nickname: "new", email: "new@example.org", password: "secret" })],
    ["a channel's id and place", () => chat.channels.create({ name: "Room 7", type: "text", createdBy: "user-7" })],
    ["a user's activity", () => chat.users.touch(id(7).toHexString(), new Date())],
    [
      "who is online",
      () => chat.users.setStatus([1, 2, 3].map((n) => ({ id: id(n).toHexString(), status: "online" }))),
    ],
    ["who is stored as online", () => chat.users.markedOnline()],
    ["a mute", () => chat.moderation.mute(moderator, id(8).toHexString(), 60)],
    ["a session's new handle", () => handles.bind("handle-new", "sid-new", "7", new Date(Date.now() + 60_000))],
    ["a handle's end", () => handles.remove("handle-9")],
  ])("%s", async (_, write) => {
    expect((await explain(write)).length).toBeGreaterThan(0);
  });
});

describe("what a reader may see of a channel", () => {
  /** As the server counted it when it ran, with whatever plan it had kept. */
  async function documentsRead(raw: Collection, query: Document): Promise<number> {
    const comment = `read ${Math.random()}`;
    const found = await raw.find(query, { comment }).sort({ timestamp: -1, _id: -1 }).limit(historyLimit).toArray();
    expect(found).toHaveLength(historyLimit);
    const entry = await link.db.collection("system.profile").findOne({ "command.comment": comment });
    expect(entry?.hasSortStage).toBeUndefined();
    return entry?.docsExamined;
  }

  it("is read without what is hidden from them, however much that is", async () => {
    const raw = link.db.collection("messages");
    await link.db.setProfilingLevel("all");
    for (const room of ["busy", "buried", "busy", "buried"])
      for (const reader of ["user-7", "user-8", "newcomer"])
        expect(await documentsRead(raw, visibleTo(room, reader) as Document), `${room} ${reader}`).toBeLessThan(
          3 * historyLimit,
        );
    await link.db.setProfilingLevel("off");
  });
});
