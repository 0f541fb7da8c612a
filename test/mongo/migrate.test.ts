import type { Db, Document } from "mongodb";
import mongoose from "mongoose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createChatServices } from "../../src/chat/services/index.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import {
  type MigrateOptions,
  migrateAtStart,
  migrateDown,
  migrateUp,
  migrationStatus,
} from "../../src/mongo/migrate.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { filesBelow } from "../support/files.ts";
import { fillOldDatabase } from "../support/old-database.ts";
import { createRecorder } from "../support/recorder.ts";

const names = filesBelow("migrations", ".ts").map((file) => file.slice(0, -3));

let count = 0;
let url: string;
let link: MongoLink;
let db: Db;
let log: ReturnType<typeof createRecorder>;
let options: MigrateOptions;

beforeEach(async () => {
  url = mongoUrl(`migrate-${++count}`);
  log = createRecorder();
  link = await connectMongo({ url, timeoutMs: 10_000, poolSize: 5, log });
  db = link.db;
  options = { url, log };
});
afterEach(async () => {
  await link.close();
  await dropDatabase(url);
});

const indexNames = async (collection: string) => (await db.collection(collection).indexes()).map(({ name }) => name);
const collections = async () => (await db.listCollections().toArray()).map(({ name }) => name).sort();
const all = (collection: string): Promise<Document[]> => db.collection(collection).find().sort({ _id: 1 }).toArray();

/** Every document and index there is, besides the claims. */
async function everything(): Promise<Record<string, { documents: Document[]; indexes: Document[] }>> {
  const found: Record<string, { documents: Document[]; indexes: Document[] }> = {};
  for (const name of await collections())
    if (name !== "sluice_migrations")
      found[name] = { documents: await all(name), indexes: await db.collection(name).indexes() };
  return found;
}

describe("migrations of an empty database", () => {
  it("make every index and the first channels, once", async () => {
    expect(await migrateUp(options)).toEqual(names);
    expect(await indexNames("users")).toEqual([
      "_id_",
      "nickname_1",
      "email_1",
      "createdAt_-1__id_-1",
      "status_1",
      "lastActive_-1__id_-1",
    ]);
    expect(await indexNames("channels")).toEqual(["_id_", "id_1", "position_1_createdAt_1__id_1"]);
    expect(await indexNames("sessions")).toEqual(["_id_", "expires_1"]);
    expect(await indexNames("session_handles")).toEqual(["_id_", "expires_1", "userId_1", "sid_1"]);
    expect(await indexNames("messages")).toEqual([
      "_id_",
      "channel_1_timestamp_-1",
      "author_1_timestamp_1",
      "channel_1_type_1_timestamp_1",
      "channel_1_timestamp_-1__id_-1",
      "channel_1_type_1_timestamp_-1__id_-1",
      "channel_1_author_1_timestamp_-1__id_-1",
      "channel_1_target_1_timestamp_-1__id_-1",
    ]);
    const unique = (await db.collection("users").indexes()).filter((index) => index.unique).map(({ name }) => name);
    expect(unique).toEqual(["nickname_1", "email_1"]);
    expect((await db.collection("sessions").indexes())[1]).toMatchObject({ expireAfterSeconds: 0 });
    expect(await db.collection("channels").find().sort({ position: 1 }).toArray()).toMatchObject([
      { id: "general", name: "General", type: "text", createdBy: "system", locked: false },
      { id: "voice-chat", name: "Voice Chat", type: "voice", createdBy: "system", locked: false },
    ]);
    const before = await everything();
    expect(await migrateUp(options)).toEqual([]);
    expect(await everything()).toEqual(before);
    expect(log.said("warn", /./)).toEqual([]);
  });

  it("are taken back one by one or all, and made again", async () => {
    await migrateUp(options);
    expect(await migrateDown(options)).toEqual(names.slice(-1));
    expect(await migrateDown(options, "5")).toEqual(names.slice(4, -1).reverse());
    expect(await all("channels")).toEqual([]);
    expect(await indexNames("messages")).not.toContain("channel_1_type_1_timestamp_-1__id_-1");
    expect(await migrateDown(options, "003-history-paging")).toEqual(["004-listings", "003-history-paging"]);
    expect(await indexNames("users")).toEqual(["_id_", "nickname_1", "email_1"]);
    expect(await migrateDown(options, "0")).toEqual(["002-session-handles", "001-chat-indexes"]);
    expect(await collections()).toEqual(["sluice_migrations"]);
    expect(await migrateDown(options)).toEqual([]);
    expect(await migrateUp(options)).toEqual(names);
    expect(await all("channels")).toHaveLength(2);
  });

  it("keep what people have written when they are taken back", async () => {
    await migrateUp(options);
    await db.collection("messages").insertOne({ text: "kept" });
    await migrateDown(options, "0");
    expect(await collections()).toEqual(["messages", "sluice_migrations"]);
    expect(await indexNames("messages")).toEqual(["_id_"]);
  });

  it("tell what there is to do", async () => {
    expect((await migrationStatus(options)).map(({ state }) => state)).toEqual(names.map(() => "pending"));
    await migrateAtStart(options);
    expect(log.said("info", /up to date/)).toHaveLength(1);
    const status = await migrationStatus(options);
    expect(status.map(({ name, state }) => [name, state])).toEqual(names.map((name) => [name, "done"]));
    expect(status[0]?.finishedAt).toBeInstanceOf(Date);
  });

  it("leave alone what a newer version has done", async () => {
    await migrateUp(options);
    const newer = {
      _id: "099-of-tomorrow",
      state: "done",
      direction: "up",
      owner: "somebody",
      leaseUntil: new Date(0),
    };
    await db.collection<{ _id: string }>("sluice_migrations").insertOne(newer);
    expect(await migrateUp(options)).toEqual([]);
    expect((await migrationStatus(options)).at(-1)).toMatchObject({ name: "099-of-tomorrow", state: "unknown" });
    await migrateDown(options, "0");
    expect(await all("sluice_migrations")).toEqual([newer]);
  });

  it("know the sessions by the name of their collection", async () => {
    await migrateUp({ ...options, sessionCollection: "logins" });
    expect(await indexNames("logins")).toEqual(["_id_", "expires_1"]);
    expect(await collections()).not.toContain("sessions");
  });

  it("refuse a way down that leads nowhere", async () => {
    await expect(migrateDown(options, "77")).rejects.toThrow(
      /^There is no migration "77"\. There are: 001-chat-indexes/,
    );
  });
});

describe("migrations of a database of the old server", () => {
  it("change no document and repeat no index", async () => {
    await fillOldDatabase(db);
    const before = await everything();
    await migrateUp(options);
    const after = await everything();
    for (const name of ["users", "messages", "sessions"])
      expect(after[name]?.documents).toEqual(before[name]?.documents);
    const known = new Set(before.channels?.documents.map(({ id }) => id));
    expect(after.channels?.documents.filter(({ id }) => known.has(id))).toEqual(before.channels?.documents);
    expect(after.channels?.documents.filter(({ id }) => !known.has(id))).toMatchObject([{ id: "voice-chat" }]);
    for (const [name, { indexes }] of Object.entries(before))
      expect(after[name]?.indexes).toEqual(expect.arrayContaining(indexes));
    expect(await indexNames("channels")).toEqual(["_id_", "channel_slug", "position_1_createdAt_1__id_1"]);
    expect(await indexNames("messages")).not.toContain("author_1_timestamp_1");
    expect(log.said("warn", /./)).toEqual([]);
  });

  it("give back exactly what was there", async () => {
    await fillOldDatabase(db);
    const before = await everything();
    await migrateUp(options);
    await migrateDown(options, "0");
    expect(await everything()).toEqual(before);
  });

  it("let its users log in and its messages be read", async () => {
    const { alice, boris } = await fillOldDatabase(db, { indexes: false });
    await migrateUp(options);
    const config = { PASSWORD_COST: 4, HISTORY_LIMIT: 50 };
    const { accounts, messages, channels } = createChatServices({ connection: link.connection, config });
    const welcome = { kind: "welcome", account: { id: alice.id.toHexString(), nickname: "alice", role: "admin" } };
    expect(await accounts.login(alice.email, alice.password)).toMatchObject(welcome);
    expect(await accounts.login(boris.nickname, boris.password)).toMatchObject({ kind: "welcome" });
    expect(await accounts.login(boris.nickname, alice.password)).toBeNull();
    expect(await db.collection("users").findOne({ _id: alice.id })).toMatchObject({
      avatar: "default.png",
      preferences: { theme: "dark", sounds: false, languages: ["ru", "en"] },
      socketId: "q8s7d6f5g4h3j2k1AAAB",
      __v: 3,
    });
    const seen = (await messages.recent("general", "alice")).map(({ text }) => text);
    expect(seen).toEqual(["alice joined the channel.", "hello", "привет", "just you", "just me"]);
    expect((await channels.list()).map(({ id }) => id)).toEqual(["general", "staff", "voice-chat", "lounge"]);
  });
});

describe("migrations of a database that was not kept well", () => {
  it("name users that share a nickname, and go on", async () => {
    const users = db.collection("users");
    const twins = [new mongoose.Types.ObjectId(), new mongoose.Types.ObjectId()];
    await users.insertMany(twins.map((_id, i) => ({ _id, nickname: "twin", email: `${i}@example.org` })));
    expect(await migrateUp(options)).toEqual(names);
    const [line] = log.said("warn", /users: nickname_1 cannot be unique/);
    expect(JSON.stringify(line?.fields.documents)).toBe(JSON.stringify([twins]));
    const nickname = (await users.indexes()).find(({ name }) => name === "nickname_1");
    expect(nickname?.unique).toBeUndefined();
    expect((await users.indexes()).find(({ name }) => name === "email_1")?.unique).toBe(true);
    // Once somebody has set it right, the same two commands make the index what it should be.
    await users.updateOne({ _id: twins[1] as mongoose.Types.ObjectId }, { $set: { nickname: "other" } });
    await migrateDown(options, "1");
    await migrateUp(options);
    expect((await users.indexes()).find(({ name }) => name === "nickname_1")?.unique).toBe(true);
  });

  it("name users whose e-mails differ in case only, not their addresses, and go on", async () => {
    const ids = Array.from({ length: 3 }, () => new mongoose.Types.ObjectId());
    const emails = ["Secret@Example.org", "secret@example.org", "lower@example.org"];
    await db.collection("users").insertMany(ids.map((_id, i) => ({ _id, nickname: `n${i}`, email: emails[i] })));
    await db.collection("users").insertOne({ nickname: "without an address" });
    expect(await migrateUp(options)).toEqual(names);
    const [shared] = log.said("warn", /one e-mail address but for its case/);
    expect(JSON.stringify(shared?.fields)).toBe(JSON.stringify({ users: [[ids[0], ids[1]]] }));
    expect(log.said("warn", /log in by nickname only/)).toHaveLength(1);
    expect(JSON.stringify(log.lines).toLowerCase()).not.toContain("secret@");
    expect((await all("users")).map(({ email }) => email)).toEqual([...emails, undefined]);
  });

  it("accept indexes of other options, say so, and make the promise of uniqueness true beside them", async () => {
    await db.collection("users").createIndex({ nickname: 1 });
    await db.collection("users").createIndex({ email: 1 }, { collation: { locale: "en", strength: 2 } });
    await db.collection("sessions").createIndex({ expires: 1 });
    await db.collection("channels").createIndex({ id: 1 }, { unique: true, sparse: true });
    expect(await migrateUp(options)).toEqual(names);
    expect(await indexNames("users")).toEqual(
      expect.arrayContaining(["nickname_1", "nickname_1_sluice", "email_1", "email_1_sluice"]),
    );
    expect(await indexNames("channels")).toEqual(expect.arrayContaining(["id_1", "id_1_sluice"]));
    const twice = () => db.collection("users").insertOne({ nickname: "same", email: `${Math.random()}@example.org` });
    await twice();
    await expect(twice()).rejects.toThrow(/E11000/);
    expect(await indexNames("sessions")).toEqual(["_id_", "expires_1"]);
    expect(log.said("warn", /does not remove what has expired/)).toHaveLength(1);
    const before = await everything();
    await migrateDown(options, "0");
    expect(await indexNames("users")).toEqual(["_id_", "nickname_1", "email_1"]);
    await migrateUp(options);
    expect((await everything()).users).toEqual(before.users);
  });
});
