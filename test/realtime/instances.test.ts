import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("instances");
let redis: RedisServer;
let one: Assembly;
let two: Assembly;
const doors: OpenedDoor[] = [];

async function instance(): Promise<Assembly> {
  const opened = openDoor({ REDIS_URL: redis.url, ...patient });
  doors.push(opened);
  await opened.is("up");
  return assemble({ mongoUrl: url, door: opened.door });
}

beforeAll(async () => {
  redis = await startRedisServer();
  one = await instance();
  two = await instance();
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await Promise.all(doors.map((opened) => opened.close()));
  await redis?.close();
  await dropDatabase(url);
});

/** One person on each of two instances, in the same room and the same voice channel. */
async function pair(name: string) {
  const ann = await one.user(`ann-${name}`);
  const bob = await one.user(`bob-${name}`);
  const [a, b] = [await one.tab(await one.session(ann)), await two.tab(await two.session(bob))];
  await a.join("general");
  await b.join("general");
  return { ann, bob, a, b };
}

const count = (ear: Ear, text: string) => ear.all("message").filter((message) => message.text === text).length;

it("delivers a message once on every instance, whoever stored it and however often it arrives", async () => {
  const { a, b } = await pair("talk");
  a.emit("message", { text: "from one" });
  b.emit("message", { text: "from two" });
  for (const ear of [a, b]) {
    await ear.hears("message", ({ text }) => text === "from one");
    await ear.hears("message", ({ text }) => text === "from two");
  }
  const stored = (await one.services.messages.recent("general", "")).find(({ text }) => text === "from one");
  if (stored) two.realtime.deliver(stored, "mongodb");
  a.emit("message", { text: "last" });
  await b.hears("message", ({ text }) => text === "last");
  expect([count(a, "from one"), count(b, "from one"), count(b, "from two")]).toEqual([1, 1, 1]);
  expect(b.all("message").find(({ text }) => text === "from one")).toEqual(
    a.all("message").find(({ text }) => text === "from one"),
  );
});

it("counts and cuts a user's sockets on every instance", async () => {
  const { ann, b } = await pair("cut");
  const notice = { name: "banned" as const, payload: { reason: "rude" } };
  // Those of an instance that a busy machine keeps from answering in time are cut, and not counted.
  await until(async () => {
    const tabs = [await one.tab(await one.session(ann)), await two.tab(await two.session(ann))];
    const count = await one.realtime.links.disconnectUser(ann.id, notice);
    for (const ear of tabs) {
      expect(await ear.hears("banned")).toEqual({ reason: "rude" });
      await ear.hears("disconnect");
    }
    return count === 2;
  });
  const session = await one.session(ann);
  await until(async () => {
    const tabs = [await one.tab(session), await two.tab(session)];
    const count = await two.realtime.links.disconnectSession(session.handle ?? "");
    for (const ear of tabs) await ear.hears("disconnect");
    return count === 2;
  });
  expect(b.socket.connected).toBe(true);
});

it("mutes on every instance at once", async () => {
  const { bob, a, b } = await pair("mute");
  b.emit("message", { text: "before" });
  await a.hears("message", ({ text }) => text === "before");
  await one.db
    .collection("users")
    .updateOne({ nickname: bob.nickname }, { $set: { muteExpires: new Date(Date.now() + 60_000) } });
  await one.realtime.links.refreshUser(bob.id);
  await until(() => {
    b.emit("message", { text: "after" });
    return b.all("error").some(({ code }) => code === "USER_MUTED");
  });
});

it("relays voice signals between instances, to members of the same voice channel alone", async () => {
  const { a, b } = await pair("voice");
  const stranger = await two.tab(await two.session(await two.user("stranger")));
  a.emit("join_voice_channel", { channelId: "voice-chat" });
  await a.hears("voice_joined");
  b.emit("join_voice_channel", { channelId: "voice-chat" });
  expect(await a.hears("user_joined_voice")).toMatchObject({ socketId: b.socket.id });
  a.emit("voice_offer", { offer: { sdp: "x" }, targetSocketId: stranger.socket.id });
  a.emit("voice_offer", { offer: { sdp: "x" }, targetSocketId: b.socket.id });
  expect(await b.hears("voice_offer")).toMatchObject({ offer: { sdp: "x" }, from: a.socket.id });
  expect(stranger.all("voice_offer")).toEqual([]);
});

it("takes a session into its room on the other instance when its own is drained", async () => {
  const { bob, a, b } = await pair("drain");
  const third = await instance();
  const session = await third.session(bob);
  const ear = await third.tab(session);
  await ear.join("general");
  await third.realtime.drain(50);
  expect(await ear.hears("disconnect")).toBe("io server disconnect");
  const refused = await fetch(`${third.url}/socket.io/?EIO=4&transport=polling`);
  expect(refused.status).toBe(403);
  a.emit("message", { text: "meanwhile" });
  await b.hears("message", ({ text }) => text === "meanwhile");
  const back = await two.tab(session);
  expect((await back.hears("history")).map(({ text }: { text: string }) => text)).toContain("meanwhile");
  await third.close();
});
