import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/kernel/finding.ts";
import { rolloutStore, type SessionStore } from "../../src/sessions/index.ts";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { callsOf, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400;
const life = 90 * day;

describe("the operator's door beside an app of one's own", () => {
  const mongo = mongoUrl("beside-an-app");
  let redis: RedisServer;
  let client: mongoose.mongo.MongoClient;
  let shop: SessionStore;
  const env = () => ({ MONGODB_URL: mongo, REDIS_URL: redis.url, SESSION_PREFIX: "shop:", TTL_SESSIONS: String(life) });
  const findings = async () => (await atDesk(["doctor", "--json"], env())).json.findings as Finding[];
  const about = async (words: RegExp) => (await findings()).filter(({ says }) => words.test(says));

  beforeAll(async () => {
    redis = await startRedisServer();
    client = await mongoose.mongo.MongoClient.connect(mongo);
    // Whoever registers twice has two accounts here: a unique index on it would be an error for them.
    await client
      .db()
      .collection("users")
      .insertMany([{ email: "ann@shop" }, { email: "ann@shop" }]);
    // A version of its own: it says nothing of whose server it is.
    shop = rolloutStore({
      ...{ mongoUrl: mongo, redis: redis.url, prefix: "shop:", ttl: life },
      ...{ serverId: "shop-1", version: "0.1.0", log: createRecorder() },
    });
    const reports = client.db().collection("sluice_instances");
    await until(() => reports.countDocuments());
    // The last of those that the store makes while it starts.
    await until(() => reports.indexExists("at_1"));
    // Copies that are made before it believes any may be of an epoch that is over.
    await until(() => shop.stats().readingFrom === "redis", { describe: () => shop.stats() });
  });
  afterAll(async () => {
    await shop?.close();
    await client?.close();
    await redis?.close();
    await dropDatabase(mongo);
  });

  it("doctor asks for no migration, and has its app make the index that is gone", async () => {
    expect(await about(/migration/)).toEqual([
      expect.objectContaining({ level: "ok", says: expect.stringMatching(/none need be: only apps run on it/) }),
    ]);
    await client.db().collection("sessions").dropIndex("expires_1");
    expect(await about(/TTL index/)).toEqual([
      expect.objectContaining({ level: "wrong", todo: expect.stringMatching(/^Restart the app/) }),
    ]);
    expect(JSON.stringify(await findings())).not.toContain("migrate up");
    await client.db().collection("sessions").createIndex({ expires: 1 }, { expireAfterSeconds: 0 });
  });

  it("doctor asks for nothing that the chat server alone needs", async () => {
    expect(await about(/JWT_|SESSION_SECRET|TRUST_PROXY|console/)).toEqual([]);
    const { json } = await atDesk(["doctor", "--json"], { ...env(), NODE_ENV: "production" });
    const ofTheChat = (json.findings as Finding[]).filter(({ says }) =>
      /JWT_|SESSION_SECRET|TRUST_PROXY|console/.test(says),
    );
    expect(ofTheChat).toEqual([]);
    expect(await about(/^Servers that report themselves in the database .*: shop-1$/)).toHaveLength(1);
  });

  it("migrate up changes nothing, and says why", async () => {
    for (const args of [["up"], [], ["up", "--dry-run"]]) {
      const { code, text, aside } = await atDesk(["migrate", ...args], env());
      expect([code, text]).toEqual([1, ""]);
      expect(aside).toMatch(/^Nothing was changed: .*an app of your own \(shop-1\).*--in-the-database-of-an-app\.\n$/);
    }
    expect((await client.db().collection("users").indexes()).map(({ name }) => name)).toEqual(["_id_"]);
    expect(await client.db().collection("channels").countDocuments()).toBe(0);
    const told = await atDesk(["migrate", "up", "--dry-run", "--in-the-database-of-an-app"], env());
    expect(told).toMatchObject({ code: 0, text: expect.stringMatching(/^to be done {2}001/) });
  });

  it("copies sessions to the keys that the app reads, for as long as they live", async () => {
    await callsOf(shop).set("ann", sessionOf(life * 1_000, { cart: ["tea"] }));
    await redis.ask("DEL", "shop:ann");
    expect((await atDesk(["sessions", "verify", "--complete"], env())).code).toBe(1);
    expect((await atDesk(["sessions", "backfill"], env())).code).toBe(0);
    expect(await redis.ask("KEYS", "*ann")).toEqual(["shop:ann"]);
    expect(Number(await redis.ask("TTL", "shop:ann"))).toBeGreaterThan(life - day);
    expect((await atDesk(["sessions", "verify", "--complete"], env())).code).toBe(0);
  });

  it("says that the caches it knows are the chat server's", async () => {
    const { text } = await atDesk(["cache", "--help"], {});
    expect(text).toMatch(
      /the chat server's caches.*The caches of an app of your own \(openCaches\) are not among them/s,
    );
  });
});

describe("doctor where a chat server runs that was told not to migrate", () => {
  const mongo = mongoUrl("unmigrated");
  let chat: Chat;

  beforeAll(async () => {
    chat = await startChat({ env: { MONGODB_URL: mongo, DISABLE_REDIS: "true", MIGRATE_ON_START: "false" } });
  });
  afterAll(async () => {
    await chat?.stop();
    await dropDatabase(mongo);
  });

  it("asks for the migrations, which may then be run", async () => {
    const env = { MONGODB_URL: mongo, DISABLE_REDIS: "true" };
    await until(async () => (await atDesk(["status", "--json"], env)).json.instances.length > 0);
    const { json } = await atDesk(["doctor", "--json"], env);
    const migration = {
      says: "No migration has been run on this database.",
      level: "wrong",
      todo: "sluice migrate up",
    };
    expect(json.findings).toContainEqual(expect.objectContaining(migration));
    expect((await atDesk(["migrate", "up"], env)).code).toBe(0);
  });
});
