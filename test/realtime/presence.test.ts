import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("presence");
const intervalMs = 300;
const crowd = 30;
let chat: Assembly;

const start = (grace: string) =>
  assemble({ mongoUrl: url, env: { ROOM_LIST_INTERVAL: `${intervalMs}ms`, PRESENCE_GRACE: grace } });

beforeAll(async () => {
  chat = await start("60s");
});
afterAll(async () => {
  await chat?.close();
  await dropDatabase(url);
});

const onlineOf = async () => (await chat.services.users.list()).filter(({ status }) => status === "online").length;

async function arrive(prefix: string): Promise<Ear[]> {
  const people = [];
  for (let i = 0; i < crowd; i++) people.push(await chat.user(`${prefix}${i}`));
  const sessions = await Promise.all(people.map((user) => chat.session(user)));
  return Promise.all(sessions.map((session) => chat.tab(session)));
}

const lines = () => chat.db.collection("messages").countDocuments({ channel: "general", type: "system" });

describe("a crowd", () => {
  it("that arrives at once is told to the room in few lists, and to each newcomer in one of its own", async () => {
    const observer = await chat.tab(await chat.session(await chat.user("observer")));
    await observer.join("general");
    const ears = await arrive("guest");
    observer.forget();
    const began = Date.now();
    await Promise.all(ears.map((ear) => ear.join("general")));
    await until(() => observer.all("online_users").at(-1)?.length === crowd + 1);
    const allowed = Math.ceil((Date.now() - began) / intervalMs) + 1;
    expect(observer.all("online_users").length).toBeLessThanOrEqual(allowed);
    for (const ear of ears) {
      const order = ear.heard.map(({ event }) => event);
      expect(order.indexOf("online_users")).toBeLessThan(order.indexOf("history"));
      expect(ear.all("online_users").length).toBeLessThanOrEqual(allowed + 1);
    }
    await until(async () => (await onlineOf()) === crowd + 1);

    // A reconnect storm: everybody goes and is back within the grace.
    const before = await lines();
    observer.forget();
    for (const ear of ears) ear.close();
    await until(() => chat.realtime.stats().connections === 1);
    for (const ear of ears) ear.socket.connect();
    await Promise.all(ears.map((ear) => ear.hears("connect")));
    await Promise.all(ears.map((ear) => ear.join("general")));
    expect(await lines()).toBe(before);
    expect(observer.all("message")).toEqual([]);
  });

  it("that goes for good is offline, and its lines push nobody's words out of the history", async () => {
    await chat.close();
    chat = await start("100ms");
    const observer = await chat.tab(await chat.session(await chat.user("watcher")));
    await observer.join("general");
    const ears = await arrive("visitor");
    await Promise.all(ears.map((ear) => ear.join("general")));
    const left = () => observer.all("message").flatMap(({ text }) => (text.endsWith("left the channel.") ? text : []));
    for (const ear of ears) ear.close();
    await until(() => observer.all("online_users").at(-1)?.length === 1);
    await until(async () => (await onlineOf()) === 1);
    // Whoever goes later, one by one, is told of.
    for (let n = 0; left().length === 0; n += 1) {
      const one = await chat.tab(await chat.session(await chat.user(`late${n}`)));
      await one.join("general");
      one.close();
      await until(async () => (await onlineOf()) === 1);
    }
    expect(left().filter((text) => !text.startsWith("late"))).toEqual([]);
    expect(await chat.db.collection("messages").countDocuments({ text: /^visitor.* left/ })).toBe(0);
  });
});

it("leaves nobody online that a crashed process left so, and nobody when it stops", async () => {
  const client = await mongoose.mongo.MongoClient.connect(url);
  const users = client.db().collection("users");
  const marked = () => users.countDocuments({ status: "online" });
  try {
    await chat.close();
    await users.updateMany({}, { $set: { status: "online" } });
    chat = await start("100ms");
    await until(async () => (await marked()) === 0);
    const late = await chat.user("latecomer");
    const ear = await chat.tab(await chat.session(late));
    await ear.join("general");
    await until(async () => (await marked()) === 1);
    await chat.close();
    expect(await marked()).toBe(0);
    chat = await start("100ms");
  } finally {
    await client.close();
  }
});
