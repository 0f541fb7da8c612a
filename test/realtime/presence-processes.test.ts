import mongoose from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Group, startGroup } from "../support/group.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { startProxy, type TcpProxy } from "../support/proxy.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { createEar, credentialsOf, type Ear, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("presence-processes");
const patience = { timeoutMs: 20_000 };
const ears: Ear[] = [];
let redis: RedisServer;
let proxy: TcpProxy;
let group: Group;
let client: mongoose.mongo.MongoClient;
let serial = 0;

beforeAll(async () => {
  redis = await startRedisServer();
  proxy = await startProxy(redis.port);
  client = await mongoose.mongo.MongoClient.connect(url);
  const slow = { REDIS_DEADLINE: "400ms", REDIS_WATCHDOG: "600ms", REDIS_BACKOFF_MAX: "200ms" };
  // A busy server must not be taken for a dead one.
  const unhurried = { PRESENCE_LEASE: "3500ms" };
  group = await startGroup({
    count: 2,
    env: { MONGODB_URL: url, REDIS_URL: redis.url, ...slow, ...unhurried },
    own: (index): Record<string, string> => (index === 1 ? { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } : {}),
  });
}, 120_000);
afterAll(async () => {
  for (const ear of ears) ear.close();
  await group?.close();
  await proxy?.close();
  await redis?.close();
  await client?.close();
  await dropDatabase(url);
});

interface Person {
  nickname: string;
  id: string;
  browser: Browser;
}

async function person(index: number): Promise<Person> {
  const browser = createBrowser(group.at(index).url);
  const nickname = `person-${++serial}`;
  const { body } = await browser.register(nickname);
  return { nickname, id: body.user.id, browser };
}

async function tab({ browser }: Person, index: number): Promise<Ear> {
  const ear = createEar(group.at(index).url, credentialsOf(browser));
  ears.push(ear);
  expect(await open(ear)).toBe("connected");
  return ear;
}

const marked = async () => {
  const users = client.db().collection<{ nickname: string }>("users").find({ status: "online" });
  return (await users.toArray()).map(({ nickname }) => nickname).sort();
};
const inRedis = async () => ((await redis.ask("SMEMBERS", "cache:users:online")) as string[]).sort();
const listed = async ({ browser }: Person, index: number) => {
  const { status, body } = await createBrowser(group.at(index).url).get("/api/users/online", {
    Authorization: `Bearer ${browser.token}`,
  });
  expect(status).toBe(200);
  return (body as { nickname: string }[]).map(({ nickname }) => nickname).sort();
};
const inRoom = (ear: Ear) =>
  ((ear.all("online_users").at(-1) ?? []) as { nickname: string }[]).map(({ nickname }) => nickname).sort();
const lines = (text: string) => client.db().collection("messages").countDocuments({ type: "system", text });
const sorted = (people: Person[], of: "nickname" | "id") => people.map((one) => one[of]).sort();

/** Exactly these are online, by everybody's account. */
async function onlineAre(people: Person[], indexes: number[]): Promise<void> {
  const [asker] = people;
  const names = sorted(people, "nickname");
  await expect.poll(marked, patienceOf).toEqual(names);
  await expect.poll(inRedis, patienceOf).toEqual(sorted(people, "id"));
  for (const index of indexes) if (asker) await expect.poll(() => listed(asker, index), patienceOf).toEqual(names);
}
const patienceOf = { timeout: patience.timeoutMs, interval: 50 };

it("knows who is online and in a room on both servers, also when one of them is killed", {
  timeout: 90_000,
}, async () => {
  const [ann, bob, cid] = [await person(0), await person(0), await person(1)];
  const [a, b, c] = [await tab(ann, 0), await tab(bob, 0), await tab(cid, 1)];
  const elsewhere = await tab(bob, 1);
  await elsewhere.join("general");
  for (const ear of [a, b, c]) await ear.join("general");
  await onlineAre([ann, bob, cid], [0, 1]);
  for (const ear of [a, b, c])
    await expect.poll(() => inRoom(ear), patienceOf).toEqual(sorted([ann, bob, cid], "nickname"));
  a.emit("join_voice_channel", { channelId: "voice-chat" });
  await a.hears("voice_joined");
  c.emit("join_voice_channel", { channelId: "voice-chat" });
  const joined = await a.hears("user_joined_voice");

  // Bob has a tab on each: nobody hears that he left.
  await group.at(1).kill();
  await onlineAre([ann, bob], [0]);
  for (const ear of [a, b]) await expect.poll(() => inRoom(ear), patienceOf).toEqual(sorted([ann, bob], "nickname"));
  await until(async () => (await lines(`${cid.nickname} left the channel.`)) === 1, patience);
  expect(await a.hears("user_left_voice")).toEqual(joined);

  expect(await lines(`${bob.nickname} left the channel.`)).toBe(0);
  await group.replace(1);
});

it("tells of nobody in a voice channel who would stay there for ever if their server died now", {
  timeout: 60_000,
}, async () => {
  for (const ear of ears.splice(0)) ear.close();
  const people = [await person(0), await person(1), await person(1)];
  const [a, b, c] = [
    await tab(people[0] as Person, 0),
    await tab(people[1] as Person, 1),
    await tab(people[2] as Person, 1),
  ];
  for (const ear of [a, b, c]) await ear.join("general");
  a.emit("join_voice_channel", { channelId: "voice-chat" });
  await a.hears("voice_joined");
  // To their own server alone Redis answers late, and the second one waits until it has answered for the first.
  proxy.set({ kind: "latency", ms: 250 });
  try {
    const inVoice = () => redis.ask("SMEMBERS", "cache:channel:voice:voice-chat") as Promise<string[]>;
    b.emit("join_voice_channel", { channelId: "voice-chat" });
    await until(async () => (await inVoice()).includes(b.socket.id ?? ""), { ...patience, everyMs: 5 });
    c.emit("join_voice_channel", { channelId: "voice-chat" });
    await until(
      () => a.all("user_joined_voice").some((peer) => (peer as { socketId: string }).socketId === c.socket.id),
      {
        ...patience,
        everyMs: 5,
      },
    );
    expect(await inVoice()).toContain(c.socket.id);
  } finally {
    proxy.set({ kind: "none" });
  }
});

it("forgets nobody while Redis is frozen or comes back empty, and tells of nobody", { timeout: 90_000 }, async () => {
  for (const ear of ears.splice(0)) ear.close();
  const [ann, bob] = [await person(0), await person(1)];
  const [a, b] = [await tab(ann, 0), await tab(bob, 1)];
  for (const ear of [a, b]) await ear.join("general");
  await onlineAre([ann, bob], [0, 1]);
  const names = sorted([ann, bob], "nickname");
  await expect.poll(() => inRoom(b), patienceOf).toEqual(names);

  const state = async (index: number) => {
    const { body } = await createBrowser(group.at(index).url).get("/health/redis");
    return body.checks["redis:state"][0].observedValue;
  };
  const everywhere = (wanted: string) =>
    until(async () => (await Promise.all([0, 1].map(state))).every((is) => is === wanted), patience);
  for (const [begin, finish] of [
    [() => redis.freeze(), () => redis.thaw()],
    [() => redis.kill(), () => redis.start()],
  ] as const) {
    await begin();
    await everywhere("down");
    // For longer than a lease.
    const end = Date.now() + 4_500;
    while (Date.now() < end) {
      for (const index of [0, 1]) expect(await listed(ann, index)).toEqual(names);
      expect(await marked()).toEqual(names);
    }
    await finish();
    await everywhere("up");
    await onlineAre([ann, bob], [0, 1]);
  }
  const cid = await person(1);
  const c = await tab(cid, 1);
  await c.join("general");
  for (const ear of [a, b, c])
    await expect.poll(() => inRoom(ear), patienceOf).toEqual(sorted([ann, bob, cid], "nickname"));
  c.close();
  await until(async () => (await lines(`${cid.nickname} left the channel.`)) === 1, patience);
  for (const { nickname } of [ann, bob]) {
    expect(await lines(`${nickname} joined the channel.`)).toBe(1);
    expect(await lines(`${nickname} left the channel.`)).toBe(0);
  }
});

it("leaves nobody online when the last server stops, or when all are killed and one comes back", {
  timeout: 90_000,
}, async () => {
  await Promise.all([0, 1].map((index) => group.at(index).stop()));
  await group.replace(0);
  await expect.poll(marked, patienceOf).toEqual([]);
  await expect.poll(inRedis, patienceOf).toEqual([]);

  const dot = await person(0);
  await tab(dot, 0);
  await onlineAre([dot], [0]);
  await group.at(0).kill();
  expect(await marked()).toEqual([dot.nickname]);
  await group.replace(0);
  await expect.poll(marked, patienceOf).toEqual([]);
  await expect.poll(inRedis, patienceOf).toEqual([]);
});
