import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Group, startGroup } from "../support/group.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createNeighbours } from "../support/neighbours.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";

let mongod: OwnMongod;
let redis: RedisServer;
let group: Group;
const people = createNeighbours(() => group);
const { register } = people;

beforeAll(async () => {
  [mongod, redis] = await Promise.all([startMongod({ replicaSet: false }), startRedisServer()]);
  group = await startGroup({ count: 2, env: { MONGODB_URL: mongod.url, REDIS_URL: redis.url } });
}, 120_000);
afterAll(async () => {
  people.leave();
  await group?.close();
  await redis?.close();
  await mongod?.remove();
});

/** In the room, by the instance with that index. */
async function tab(browser: Browser, index: number): Promise<Ear> {
  const ear = await people.tab(browser, index);
  await ear.join("general");
  return ear;
}

const isUp = async (index: number) => {
  const { body } = await createBrowser(group.at(index).url).get("/health/redis");
  return body.checks["redis:state"][0].observedValue === "up";
};

const emitted = (...data: unknown[]) => JSON.stringify({ type: 6, uid: "somebody else", data });
const written = { id: "1", author: "ann", room: "general", text: "x", type: "public", target: null };
const nonsense = [
  ...['{"type":5}', '{"type":6}', '{"type":7}', "[]", "?"],
  ...[emitted("chat:message", null), emitted("chat:message", written), emitted("chat:order", null, 1)],
  emitted("chat:message", { ...written, type: "private", target: "somebody-1" }),
];

describe("two instances on a MongoDB without change streams", { timeout: 120_000 }, () => {
  it("outlive whatever is published where they hear each other", async () => {
    const [a, b] = [await tab(await register(0), 0), await tab(await register(1), 1)];
    await until(async () => (await isUp(0)) && (await isUp(1)));
    for (const channel of ["socket.io-request#/#", "socket.io-response#/#", "socket.io#/#"])
      for (const words of nonsense) expect(await redis.ask("PUBLISH", channel, words)).toBe(2);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.emit("message", { text: "still there?" });
      await to.hears("message", ({ text }) => text === "still there?");
      from.forget();
      to.forget();
    }
    for (const chat of group.instances) {
      await until(() => /What was published for the instances of this chat cannot be read/.test(chat.output()));
      expect(chat.process.exitCode).toBe(null);
    }
  });

  it("carry out what is done on the other while Redis is out: a ban, a role, a logout of either kind", async () => {
    const admin = await register(0);
    const client = await mongoose.mongo.MongoClient.connect(mongod.url);
    await client
      .db()
      .collection("users")
      .updateOne({ nickname: admin.nickname }, { $set: { role: "admin" } });
    await client.close();
    const [rude, able, ann, bob] = [await register(1), await register(1), await register(0), await register(0)];
    const [r, m, a, b] = [await tab(rude, 1), await tab(able, 1), await tab(ann, 1), await tab(bob, 1)];
    await redis.kill();
    await until(async () => !(await isUp(0)) && !(await isUp(1)), { timeoutMs: 30_000 });

    await admin.post(`/api/admin/users/${rude.id}/ban`, { reason: "rude" });
    expect(await r.hears("banned")).toEqual({ message: "Account is banned", reason: "rude", expires: null });
    await r.hears("disconnect");
    await admin.post(`/api/admin/users/${able.id}/role`, { role: "moderator" });
    await m.hears("online_users", (list: { nickname: string; role: string }[]) =>
      list.some(({ nickname, role }) => nickname === able.nickname && role === "moderator"),
    );
    await ann.post("/api/logout");
    await a.hears("disconnect");
    await bob.post("/api/logout_session");
    await b.hears("disconnect");
    expect(m.socket.connected).toBe(true);
    m.emit("message", { text: "who is left" });
    await m.hears("message", ({ text }) => text === "who is left");
  });
});
