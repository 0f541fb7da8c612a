import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Group, startGroup } from "../support/group.ts";
import { createBrowser } from "../support/http.ts";
import { long } from "../support/long.ts";
import { figureOf } from "../support/metrics.ts";
import { createNeighbours, type Known } from "../support/neighbours.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("between");
// A busy server must not be taken for a dead one.
const unhurried = { PRESENCE_LEASE: "20s" };
let redis: RedisServer;
let group: Group;
let admin: Known;
const { register, tab, leave } = createNeighbours(() => group);

beforeAll(async () => {
  redis = await startRedisServer();
  group = await startGroup({ count: 2, env: { MONGODB_URL: url, REDIS_URL: redis.url, ...unhurried } });
  admin = await register(0);
  const client = await mongoose.mongo.MongoClient.connect(url);
  await client
    .db()
    .collection("users")
    .updateOne({ nickname: admin.nickname }, { $set: { role: "admin" } });
  await client.close();
}, 120_000);
afterAll(async () => {
  leave();
  redis?.thaw();
  await group?.close();
  await redis?.close();
  await dropDatabase(url);
});

/** One person on each of the two instances, in the same room. */
async function pair() {
  const [ann, bob] = [await register(0), await register(1)];
  const [a, b] = [await tab(ann, 0), await tab(bob, 1)];
  await a.join("general");
  await b.join("general");
  return { ann, bob, a, b };
}

const says = async (ear: Ear, text: string) => ear.hears("message", (message) => message.text === text);
const arrivals = (index: number, way: string) =>
  figureOf(group.at(index).url, `chat_message_arrivals_total{way="${way}"}`);
const state = async (index: number) => {
  const { body } = await createBrowser(group.at(index).url).get("/health/redis");
  return body.checks["redis:state"][0].observedValue;
};
const everywhere = (wanted: string) =>
  until(async () => (await state(0)) === wanted && (await state(1)) === wanted, { timeoutMs: 20_000 });

type Pair = Awaited<ReturnType<typeof pair>>;

/** Each knows that the other is there. */
async function acquainted(): Promise<Pair> {
  const two = await pair();
  const { ann, bob, a, b } = two;
  const names = (ear: Ear) => (ear.all("online_users").at(-1) ?? []).map((one: { nickname: string }) => one.nickname);
  await until(() => names(a).includes(bob.nickname) && names(b).includes(ann.nickname), {
    describe: () => JSON.stringify([names(a), names(b)]),
  });
  for (const ear of [a, b]) ear.forget();
  return two;
}

/** Each instance hears the other's words once, and of who comes. */
async function talk(name: string, { ann, bob, a, b }: Pair): Promise<void> {
  a.emit("private_message", { to: bob.nickname, text: `${name}, between us` });
  expect(await b.hears("private_message")).toMatchObject({ author: ann.nickname, status: "delivered" });
  expect(await a.hears("private_message")).toMatchObject({ target: bob.nickname, status: "sent" });
  const words = Array.from({ length: 20 }, (_, i) => `${name} ${i}`);
  for (const [i, text] of words.entries()) (i % 2 ? a : b).emit("message", { text });
  for (const ear of [a, b]) for (const text of words) await says(ear, text);
  const newcomer = await register(1);
  const c = await tab(newcomer, 1);
  await c.join("general");
  await says(a, `${newcomer.nickname} joined the channel.`);
  // Where somebody is is written down in batches.
  await until(
    () => {
      a.emit("private_message", { to: newcomer.nickname, text: `${name}, welcome` });
      return c.all("private_message").length > 0;
    },
    { everyMs: 100 },
  );
  // Somebody who has logged out was in the room last, too.
  await newcomer.post("/api/logout");
  for (const to of ["nobody-of-here", newcomer.nickname])
    await until(
      () => {
        a.emit("private_message", { to, text: "are you there?" });
        return a.all("error").some(({ code, message }) => code === "TARGET_USER_NOT_IN_ROOM" && message.includes(to));
      },
      { everyMs: 100 },
    );
  for (const ear of [a, b]) {
    const heard = ear.all("message").map(({ text }) => text);
    expect(heard.filter((text) => words.includes(text)).length).toBe(words.length);
    expect(ear.all("private_message").filter(({ text }) => text.endsWith("between us"))).toHaveLength(1);
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** How long what a moderator or the user does on one instance takes to be felt on the other. */
const acts: Record<string, () => Promise<number>> = {
  async ban() {
    const { bob, b } = await pair();
    return timed(async () => {
      await admin.post(`/api/admin/users/${bob.id}/ban`, { reason: "rude" });
      expect(await b.hears("banned")).toMatchObject({ message: "Account is banned", reason: "rude" });
      await b.hears("disconnect");
    });
  },
  async logout() {
    const { ann } = await pair();
    const elsewhere = await tab(ann, 1);
    return timed(async () => {
      await ann.post("/api/logout");
      await elsewhere.hears("disconnect");
    });
  },
  async role() {
    const { bob, b } = await pair();
    b.forget();
    return timed(async () => {
      await admin.post(`/api/admin/users/${bob.id}/role`, { role: "moderator" });
      await b.hears("online_users", (list: { nickname: string; role: string }[]) =>
        list.some(({ nickname, role }) => nickname === bob.nickname && role === "moderator"),
      );
    });
  },
  async mute() {
    const { bob, b } = await pair();
    b.emit("message", { text: "before" });
    await says(b, "before");
    return timed(async () => {
      await admin.post(`/api/admin/users/${bob.id}/mute`, { duration: 60 });
      await until(
        () => {
          b.emit("message", { text: "after" });
          return b.all("error").some(({ code }) => code === "USER_MUTED");
        },
        { everyMs: 10 },
      );
    });
  },
};

async function orders(name: string, limitMs: number): Promise<void> {
  const figures: Record<string, number[]> = {};
  for (const [act, measure] of Object.entries(acts)) {
    figures[act] = [];
    for (let round = 0; round < 3; round++) figures[act].push(Math.round(await measure()));
  }
  console.log(`felt on the other instance after (ms), Redis ${name}: ${JSON.stringify(figures)}`);
  for (const took of Object.values(figures)) expect(Math.min(...took)).toBeLessThan(limitMs);
}

/** Two in a voice channel, one on each instance. */
async function callers() {
  const { a, b } = await pair();
  for (const ear of [a, b]) {
    ear.emit("join_voice_channel", { channelId: "voice-chat" });
    await ear.hears("voice_joined");
  }
  return { a, b, offer: { offer: { sdp: "x" }, targetSocketId: b.socket.id } };
}

describe("two instances", { timeout: 120_000 }, () => {
  it("speak over Redis while it is well", async () => {
    await everywhere("up");
    const friends = await acquainted();
    await talk("well", friends);
    // On a busy machine MongoDB may be sooner now and then.
    for (const index of [0, 1])
      await until(async () => {
        for (const ear of [friends.a, friends.b]) ear.emit("message", { text: "more" });
        return (await arrivals(index, "redis")) > 9;
      });
    const { a, b, offer } = await callers();
    a.emit("voice_offer", offer);
    expect(await b.hears("voice_offer")).toMatchObject({ offer: { sdp: "x" }, from: a.socket.id });
  });

  it("say nobody left who is back on the other in the same moment", async () => {
    const [ann, bob] = [await register(0), await register(1)];
    const { body } = await ann.post("/api/channels", { name: `hall ${ann.nickname}`, type: "text" });
    const room = body.id;
    const [first, watcher] = [await tab(ann, 0), await tab(bob, 1)];
    await watcher.join(room);
    await first.join(room);
    const listed = () =>
      (watcher.all("online_users").at(-1) ?? []).some((one: { nickname: string }) => one.nickname === ann.nickname);
    await until(listed);
    first.close();
    const second = await tab(ann, 1);
    // The grace is over, and the line that says so is about to be written.
    await until(() => !listed(), { everyMs: 5 });
    await second.join(room);
    const late = await register(0);
    const third = await tab(late, 0);
    await third.join(room);
    third.close();
    await watcher.hears("message", ({ text }) => text === `${late.nickname} left the channel.`);
    const lines = watcher.all("message").map(({ text }) => text as string);
    expect(lines.filter((text) => text.startsWith(`${ann.nickname} left`))).toEqual([]);
  });

  it("carry out at once what is done on the other", () => orders("well", long ? 100 : 1_000));

  it.each([
    ["frozen", () => redis.freeze(), async () => redis.thaw()],
    ["killed", () => redis.kill(), () => redis.start()],
  ])("go on over MongoDB while it is %s, and are back on Redis afterwards", async (name, begin, end) => {
    const friends = await acquainted();
    const { a, b } = friends;
    await begin();
    // From the first moment on, while nobody knows of it yet.
    a.emit("message", { text: `first while ${name}` });
    await says(b, `first while ${name}`);
    await everywhere("down");
    await talk(name, friends);
    await orders(name, 2_000);
    const call = await callers();
    for (const ear of [call.a, call.b]) {
      const told = await ear.hears("voice_error");
      expect(told).toMatchObject({ code: "VOICE_UNAVAILABLE", message: expect.stringContaining("join again") });
      ear.forget();
    }
    call.a.emit("voice_offer", call.offer);
    expect(await call.a.hears("voice_error")).toMatchObject({ code: "VOICE_UNAVAILABLE" });
    expect(call.b.all("voice_offer")).toEqual([]);
    const before = await arrivals(1, "redis");
    await end();
    await everywhere("up");
    await until(async () => {
      a.emit("message", { text: `after ${name}` });
      return (await arrivals(1, "redis")) > before;
    });
    expect(b.all("message").filter(({ text }) => text === `first while ${name}`)).toHaveLength(1);
    expect(group.instances.map(({ process }) => process.exitCode)).toEqual([null, null]);
  });
});
