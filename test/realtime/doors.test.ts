import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { type Group, startGroup } from "../support/group.ts";
import { createNeighbours } from "../support/neighbours.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Ear, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const closed = { $set: { "permissions.read": "admin" } };

describe("who is in a channel that somebody else closes", { timeout: 60_000 }, () => {
  const url = mongoUrl("doors");
  let redis: RedisServer;
  let group: Group;
  let client: mongoose.mongo.MongoClient;
  const { register, tab, leave } = createNeighbours(() => group);
  const collection = (name: string) => client.db().collection(name);

  beforeAll(async () => {
    redis = await startRedisServer();
    client = await mongoose.mongo.MongoClient.connect(url);
    group = await startGroup({ count: 2, env: { MONGODB_URL: url, REDIS_URL: redis.url } });
  }, 120_000);
  afterAll(async () => {
    leave();
    await group?.close();
    await redis?.close();
    await client?.close();
    await dropDatabase(url);
  });

  /** A member and an admin in a channel of their own, on one instance each. */
  async function couple(type: "text" | "voice" = "text") {
    const [member, admin] = [await register(0), await register(1)];
    await collection("users").updateOne({ nickname: admin.nickname }, { $set: { role: "admin" } });
    const { body } = await member.post("/api/channels", { name: `${type} of ${member.nickname}`, type });
    return { room: body.id as string, inside: await tab(member, 0), chief: await tab(admin, 1) };
  }

  const said = (ear: Ear) => ear.all("message").map(({ text }) => text as string);

  async function putOut(ear: Ear, room: string): Promise<void> {
    expect(await ear.hears("disconnect")).toBe("io server disconnect");
    ear.forget();
    // As the client does: it comes back, and takes itself to be where it was.
    expect(await open(ear)).toBe("connected");
    expect(await ear.hears("error")).toMatchObject({
      code: "CHANNEL_NOT_FOUND",
      message: `Channel '${room}' not found`,
    });
    ear.emit("get_history");
    expect(await ear.hears("history")).toEqual([]);
  }

  it("is put out of it, unless they still may be there, and hears and reads nothing more of it", async () => {
    const { room, inside, chief } = await couple();
    for (const ear of [inside, chief]) await ear.join(room);
    await collection("channels").updateOne({ id: room }, closed);
    await putOut(inside, room);
    chief.emit("message", { text: "for admins only" });
    await chief.hears("message", ({ text }) => text === "for admins only");
    expect(chief.all("disconnect")).toEqual([]);
    expect(said(inside)).toEqual([]);
  });

  it("is put out of one that is deleted, whoever they are", async () => {
    const { room, inside, chief } = await couple();
    for (const ear of [inside, chief]) await ear.join(room);
    await collection("channels").deleteOne({ id: room });
    for (const ear of [inside, chief]) await putOut(ear, room);
  });

  it("has left the voice of it, and stays connected", async () => {
    const { room, inside, chief } = await couple("voice");
    for (const ear of [inside, chief]) {
      ear.emit("join_voice_channel", { channelId: room });
      await ear.hears("voice_joined");
    }
    const { id } = inside.socket;
    await collection("channels").updateOne({ id: room }, closed);
    await inside.hears("voice_left");
    await chief.hears("user_left_voice", ({ socketId }) => socketId === id);
    expect(inside.socket.connected).toBe(true);
    expect(chief.all("voice_left")).toEqual([]);
  });
});

describe("who is in a channel while its change stream tells nothing", { timeout: 30_000 }, () => {
  const url = mongoUrl("doors-unheard");
  let opened: OpenedDoor;
  let chat: Assembly;
  let looks = 0;
  const reads: string[] = [];
  /** Who asks for these gets the answer when that is over, and as it was. */
  const slow = new Map<string, Promise<void>>();

  beforeAll(async () => {
    opened = openDoor({ REDIS_URL: "redis://127.0.0.1:1", DISABLE_REDIS: "true" });
    chat = await assemble({
      mongoUrl: url,
      door: opened.door,
      around: ({ channels, ...others }) => ({
        ...others,
        channels: {
          ...channels,
          async byId(id) {
            const found = await channels.byId(id);
            reads.push(id);
            await slow.get(id);
            return found;
          },
          async accessOf(ids) {
            const found = await channels.accessOf(ids);
            looks += 1;
            return found;
          },
        },
      }),
    });
  });
  afterAll(async () => {
    await chat?.close();
    await opened?.close();
    await dropDatabase(url);
  });

  async function visitor(nickname: string) {
    const user = await chat.user(nickname);
    const ear = await chat.tab(await chat.session(user));
    const { id: room } = await chat.services.channels.create({ name: nickname, type: "text", createdBy: user.id });
    await ear.join(room);
    return { ear, room };
  }

  it("is judged anew once it tells again", async () => {
    const [shut, spared] = [await visitor("shut"), await visitor("spared")];
    await until(() => chat.realtime.streams.get("channels")?.live);
    // As one that is restored from elsewhere: nobody is told what is another in it.
    const read = { $cond: [{ $eq: ["$id", shut.room] }, "admin", "everyone"] };
    await chat.db
      .collection("channels")
      .aggregate([{ $set: { permissions: { read } } }, { $out: "channels" }])
      .toArray();
    await shut.ear.hears("disconnect");
    expect(spared.ear.all("disconnect")).toEqual([]);
  });

  it("stays in one that was gone for a moment only, as a collection is that is restored", async () => {
    const { ear, room } = await visitor("patient");
    const channels = chat.db.collection("channels");
    await until(() => chat.realtime.streams.get("channels")?.live);
    const all = await channels.find().toArray();
    let before = looks;
    await channels.drop();
    await until(() => looks > before);
    before = looks;
    await channels.insertMany(all);
    await until(() => looks > before);
    expect(ear.all("disconnect")).toEqual([]);
    await ear.join(room);
    expect(ear.all("error")).toEqual([]);
    await channels.deleteOne({ id: room });
    await ear.hears("disconnect");
  });

  it("is put out, too, who was let in by an answer from before it was closed", async () => {
    const { ear } = await visitor("late");
    const { id: room } = await chat.services.channels.create({ name: "closing", type: "text", createdBy: "late" });
    await until(() => chat.realtime.streams.get("channels")?.live);
    let answer = () => {};
    slow.set(room, new Promise((done) => (answer = done)));
    ear.emit("join_room", { room });
    await until(() => reads.includes(room));
    const before = looks;
    await chat.db.collection("channels").updateOne({ id: room }, closed);
    await until(() => looks > before);
    expect(ear.all("disconnect")).toEqual([]);
    answer();
    await ear.hears("disconnect");
  });

  it("has asked once whether they may be in it", async () => {
    const { room } = await visitor("brief");
    expect(reads.filter((id) => id === room)).toEqual([room]);
  });

  it("is shown no history of one that is closed by now", async () => {
    const { ear, room } = await visitor("quick");
    const { byId } = chat.services.channels;
    expect(await byId(room)).not.toBeNull();
    await chat.db.collection("channels").updateOne({ id: room }, closed);
    ear.forget();
    ear.emit("get_history");
    await until(() => ear.all("error").length + ear.all("disconnect").length > 0);
    expect(ear.all("history")).toEqual([]);
  });
});
