import mongoose from "mongoose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ChatServices } from "../../src/chat/services/types.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("presence");
const intervalMs = 300;
const crowd = 30;
let statusWrites = 0;
let chat: Assembly;

function counting(services: ChatServices): ChatServices {
  return {
    ...services,
    users: {
      ...services.users,
      setStatus(changes) {
        statusWrites += 1;
        return services.users.setStatus(changes);
      },
    },
  };
}

const start = () =>
  assemble({
    mongoUrl: url,
    around: counting,
    env: { ROOM_LIST_INTERVAL: `${intervalMs}ms`, PRESENCE_GRACE: "500ms" },
  });

beforeAll(async () => {
  chat = await start();
});
beforeEach(() => {
  statusWrites = 0;
});
afterAll(async () => {
  await chat?.close();
  await dropDatabase(url);
});

const onlineOf = async () => (await chat.services.users.list()).filter(({ status }) => status === "online").length;

async function arrive(prefix: string): Promise<Ear[]> {
  const people = await Promise.all(Array.from({ length: crowd }, (_, i) => chat.user(`${prefix}${i}`)));
  const sessions = await Promise.all(people.map((user) => chat.session(user)));
  return Promise.all(sessions.map((session) => chat.tab(session)));
}

describe("a crowd", () => {
  it("that arrives at once is told to the room in few lists, to each newcomer in one of its own, and to MongoDB in few writes", async () => {
    const observer = await chat.tab(await chat.session(await chat.user("observer")));
    await observer.join("general");
    const ears = await arrive("guest");
    observer.forget();
    const began = Date.now();
    await Promise.all(ears.map((ear) => ear.join("general")));
    await until(() => observer.all("online_users").at(-1)?.length === crowd + 1);
    const lists = observer.all("online_users").length;
    const allowed = Math.ceil((Date.now() - began) / intervalMs) + 1;
    expect(lists).toBeLessThanOrEqual(allowed);
    for (const ear of ears) {
      const order = ear.heard.map(({ event }) => event);
      expect(order.indexOf("online_users")).toBeLessThan(order.indexOf("history"));
      expect(ear.all("online_users").length).toBeLessThanOrEqual(allowed + 1);
    }
    await until(async () => (await onlineOf()) === crowd + 1);
    expect(statusWrites).toBeLessThan(crowd / 2);

    // A reconnect storm: everybody goes and is back within the grace.
    const lines = () => chat.db.collection("messages").countDocuments({ channel: "general", type: "system" });
    const linesBefore = await lines();
    observer.forget();
    for (const ear of ears) ear.close();
    await until(() => chat.realtime.stats().connections === 1);
    for (const ear of ears) ear.socket.connect();
    await Promise.all(ears.map((ear) => ear.hears("connect")));
    await Promise.all(ears.map((ear) => ear.join("general")));
    expect(await lines()).toBe(linesBefore);
    expect(observer.all("message")).toEqual([]);

    // And for good.
    for (const ear of ears) ear.close();
    await until(() => observer.all("online_users").at(-1)?.length === 1);
    await until(async () => (await lines()) === linesBefore + crowd);
    await until(async () => (await onlineOf()) === 1);
  });
});

it("leaves nobody online that a crashed process left so, and nobody when it stops", async () => {
  const client = await mongoose.mongo.MongoClient.connect(url);
  const users = client.db().collection("users");
  const marked = () => users.countDocuments({ status: "online" });
  try {
    await chat.close();
    await users.updateMany({}, { $set: { status: "online" } });
    chat = await start();
    await until(async () => (await marked()) === 0);
    const late = await chat.user("latecomer");
    const ear = await chat.tab(await chat.session(late));
    await ear.join("general");
    await until(async () => (await marked()) === 1);
    await chat.close();
    expect(await marked()).toBe(0);
    chat = await start();
  } finally {
    await client.close();
  }
});
