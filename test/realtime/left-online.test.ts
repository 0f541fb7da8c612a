import mongoose from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Group, startGroup } from "../support/group.ts";
import { createBrowser } from "../support/http.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createNeighbours } from "../support/neighbours.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { openSettings } from "../support/settings.ts";
import { until } from "../support/until.ts";

const patience = { timeoutMs: 20_000 };
let redis: RedisServer;
let mongod: OwnMongod;
let group: Group;
let client: mongoose.mongo.MongoClient;
const { register, tab, leave } = createNeighbours(() => group);

beforeAll(async () => {
  redis = await startRedisServer();
  mongod = await startMongod();
  client = await mongoose.mongo.MongoClient.connect(mongod.url);
  // A hash that takes a moment: MongoDB is frozen while it is made.
  const env = { PASSWORD_COST: "12", REQUEST_TIMEOUT: "1500ms" };
  group = await startGroup({ count: 2, env: { MONGODB_URL: mongod.url, REDIS_URL: redis.url, ...env } });
  const settings = await openSettings({ db: client.db() });
  const sessions = { mode: "off", percent: 0, oldServers: false } as const;
  await settings.change({ sessions }, { who: "the test", why: "no old servers run beside these" });
  await settings.close();
}, 120_000);
afterAll(async () => {
  leave();
  mongod?.thaw();
  await group?.close();
  await client?.close();
  await redis?.close();
  await mongod?.remove();
});

const users = () => client.db().collection<{ status: string }>("users");
const statusIs = (nickname: string, status: string) =>
  until(async () => (await users().findOne({ nickname }))?.status === status, {
    ...patience,
    describe: `${nickname} to be stored as ${status}`,
  });
const heldInRedis = async (id: string) => (await redis.ask("SISMEMBER", "cache:users:online", id)) === 1;

it("a login that is stored after it was given up is online for one lease, as any that no socket follows", {
  timeout: 60_000,
}, async () => {
  const ann = await register(0);
  await statusIs(ann.nickname, "offline");
  await until(async () => !(await heldInRedis(ann.id)), patience);
  await client.db().command({ profile: 2 });
  const looks = () => client.db().collection("system.profile").countDocuments({ ns: "own.users", "command.limit": 3 });
  const before = await looks();
  const login = createBrowser(group.at(0).url).login(ann.nickname);
  await until(async () => (await looks()) > before, { everyMs: 2 });
  mongod.freeze();
  try {
    expect((await login).status).toBe(503);
    await until(() => heldInRedis(ann.id), patience);
  } finally {
    mongod.thaw();
  }
  await client.db().command({ profile: 0 });
  await until(async () => !(await heldInRedis(ann.id)), patience);
  await statusIs(ann.nickname, "offline");
});

it("nobody stays online whose instance died before it could store that they had gone", {
  timeout: 90_000,
}, async () => {
  const [ann, bob] = [await register(0), await register(1)];
  const [a] = [await tab(ann, 0), await tab(bob, 1)];
  for (const { nickname } of [ann, bob]) await statusIs(nickname, "online");
  mongod.freeze();
  try {
    a.close();
    await until(async () => !(await heldInRedis(ann.id)), patience);
    await group.at(0).kill();
  } finally {
    mongod.thaw();
  }
  // What was on its way from the dead may still be done.
  await users().updateOne({ nickname: ann.nickname }, { $set: { status: "online" } });
  await statusIs(ann.nickname, "offline");
  expect((await users().findOne({ nickname: bob.nickname }))?.status).toBe("online");
});

it("who was about to look for such users and died keeps nobody else from it", { timeout: 60_000 }, async () => {
  const { nickname } = await register(1);
  await statusIs(nickname, "offline");
  await group.at(1).kill();
  await group.replace(1);
  await redis.ask("SET", "{cache:users:online}:settle", "somebody who died", "PX", "4000");
  await users().updateOne({ nickname }, { $set: { status: "online" } });
  await statusIs(nickname, "offline");
});
