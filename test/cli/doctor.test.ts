import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/kernel/finding.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import { migrateUp } from "../../src/mongo/migrate.ts";
import { examineClocks } from "../../src/ops/index.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Deployed, type DeployedSecrets, deploy, makeSecrets, rulesOfTheChat } from "../support/deployment.ts";
import { atDesk } from "../support/desk.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

const log = createRecorder();
const said = (findings: Finding[], level: Finding["level"]) =>
  findings.filter((one) => one.level === level).map(({ area, says }) => `${area}: ${says}`);

describe("sluice doctor", () => {
  const url = mongoUrl("doctor");
  let secrets: DeployedSecrets;
  let redis: Deployed;
  let link: MongoLink;
  const env = (more: Record<string, string> = {}) => ({
    MONGODB_URL: url,
    REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    REDIS_USERNAME: "sluice",
    REDIS_PASSWORD: secrets.read("redis_password"),
    ...more,
  });
  async function examined(more: Record<string, string> = {}) {
    const { code, json } = await atDesk(["doctor", "--json"], env(more));
    const findings = json.findings as Finding[];
    return { code, findings, wrong: said(findings, "wrong"), advice: said(findings, "advice") };
  }

  beforeAll(async () => {
    secrets = await makeSecrets();
    redis = await deploy({ kind: "redis", secrets });
    await migrateUp({ url, log });
    link = await connectMongo({ url, timeoutMs: 5_000, poolSize: 2, log });
  });
  afterAll(async () => {
    await link?.close();
    await redis?.close();
    await secrets?.remove();
    await dropDatabase(url);
  });

  it("finds nothing wrong with the deployment as it is shipped, and leaves nothing behind", async () => {
    const { code, wrong, advice, findings } = await examined();
    expect({ code, wrong }).toEqual({ code: 0, wrong: [] });
    expect(advice).toContain("Redis: It has no replica: its loss is an outage of Redis.");
    expect(said(findings, "ok")).toEqual(
      expect.arrayContaining([
        "Redis: maxmemory-policy is volatile-ttl",
        "Redis: The append-only file is on",
        "Redis: The chat's user may do what it needs and no more",
        "MongoDB: Writes are confirmed by a majority (w: majority)",
        "clocks: The clock of MongoDB agrees with this machine's",
        "sessions: 0 sessions live equally long in MongoDB and in Redis",
      ]),
    );
    expect(await redis.ask("KEYS", "*doctor*")).toEqual([]);
  });

  it("says in lines what to do, and no secret", async () => {
    await redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const { code, text, aside } = await atDesk(["doctor"], env());
    await redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl");
    expect(code).toBe(1);
    expect(text).toMatch(
      /^ {2}WRONG {3}maxmemory-policy is allkeys-lru.*\n {10}→ CONFIG SET maxmemory-policy volatile-ttl/m,
    );
    expect(text).toMatch(/\n1 to be put right, \d could be better\.$/);
    expect(text + aside).not.toContain(secrets.read("redis_password"));
  });

  it("reminds of what operators have switched off", async () => {
    const why = ["--reason", "a test"];
    expect((await atDesk(["kill", "on", ...why], env())).code).toBe(0);
    expect((await atDesk(["cache", "disable", "users", ...why], env())).code).toBe(0);
    const { code, advice } = await examined();
    expect(code).toBe(0);
    expect(advice).toContain("configuration: The kill switch is on: no server uses Redis.");
    expect(advice).toContain("configuration: The cache users is switched off.");
    expect((await atDesk(["cache", "enable", "users", ...why], env())).code).toBe(0);
    expect((await atDesk(["kill", "off", ...why], env())).code).toBe(0);
  });

  it.each<[string, string[], string[], RegExp]>([
    [
      "memory that is nearly full",
      ["CONFIG", "SET", "maxmemory", "1mb"],
      ["CONFIG", "SET", "maxmemory", "256mb"],
      /of 1 MiB are used/,
    ],
    [
      "too many connections",
      ["CONFIG", "SET", "maxclients", "1"],
      ["CONFIG", "SET", "maxclients", "1000"],
      /of 1 connections are in use/,
    ],
    ["a replica", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], /It is a replica/],
    [
      "a user that may not listen",
      ["ACL", "SETUSER", "sluice", "resetchannels"],
      ["ACL", "SETUSER", "sluice", ...rulesOfTheChat()],
      /may not: speak to other instances.*hear other instances.*hear other sockets/,
    ],
    [
      "a user that may not run scripts",
      ["ACL", "SETUSER", "sluice", "-eval", "-evalsha"],
      ["ACL", "SETUSER", "sluice", ...rulesOfTheChat()],
      /may not: run scripts \(EVAL\); run known scripts/,
    ],
  ])("finds %s", async (_, begin, end, words) => {
    await redis.ask(...begin);
    const { code, wrong } = await examined();
    // A connection that is just being closed may be the last there is room for.
    await until(() => redis.ask(...end));
    expect(code).toBe(1);
    expect(wrong).toEqual([expect.stringMatching(words)]);
  });

  it("takes a user for enough that may do all with the sessions of another prefix", async () => {
    const rules = rulesOfTheChat();
    const shops = rules.map((rule) => rule.replace("~session:", "~shop:"));
    expect(shops).not.toEqual(rules);
    await redis.ask("ACL", "SETUSER", "sluice", "resetkeys", ...shops);
    const [own, other] = [await examined({ SESSION_PREFIX: "shop:" }), await examined()];
    await redis.ask("ACL", "SETUSER", "sluice", "resetkeys", ...rules);
    expect(own.wrong).toEqual([]);
    expect(other.wrong).toEqual([expect.stringMatching(/may not: read sessions \(GET session:…\)/)]);
  });

  it("advises against an almighty user, no limit of memory, and no file", async () => {
    await redis.ask("CONFIG", "SET", "maxmemory", "0");
    await redis.ask("CONFIG", "SET", "appendonly", "no");
    const operator = { REDIS_USERNAME: "operator", REDIS_PASSWORD: secrets.read("redis_operator_password") };
    const { code, advice } = await examined(operator);
    await redis.ask("CONFIG", "SET", "maxmemory", "256mb");
    await redis.ask("CONFIG", "SET", "appendonly", "yes");
    expect(code).toBe(0);
    expect(advice.join("\n")).toMatch(
      /no memory limit.*append-only file is off.*more than it needs: .*CONFIG.*CLIENT LIST.*read keys that are not/s,
    );
  });

  it("finds indexes that are gone, doubles that are let in, and sessions that nobody removes", async () => {
    await link.db.collection("messages").dropIndex("channel_1_timestamp_-1");
    await link.db.collection("users").dropIndex("nickname_1");
    await link.db.collection("sessions").dropIndex("expires_1");
    const { code, wrong } = await examined();
    expect(code).toBe(1);
    expect(wrong).toEqual([
      expect.stringMatching(
        /Indexes are gone: .*users.nickname_1.*messages.channel_1_timestamp_-1.*sessions.expires_1/,
      ),
      "MongoDB: Not unique: users.nickname.",
      "sessions: No TTL index removes expired sessions from MongoDB.",
    ]);
    await link.db.collection("sessions").createIndex({ expires: 1 }, { expireAfterSeconds: 3600, name: "expires_1" });
    await link.db.collection("messages").createIndex({ channel: 1, timestamp: -1 });
    await link.db.collection("users").createIndex({ nickname: 1 }, { unique: true });
    expect((await examined()).wrong).toEqual(["sessions: The TTL index keeps sessions 3600 s longer than they live."]);
    await link.db.collection("visits").createIndex({ expires: 1 }, { expireAfterSeconds: 3600 });
    const { text } = await atDesk(["doctor"], { ...env(), SESSION_COLLECTION: "visits" });
    expect(text).toContain('db.runCommand({ collMod: "visits", index: {');
    await link.db.collection("visits").drop();
    await link.db.command({ collMod: "sessions", index: { keyPattern: { expires: 1 }, expireAfterSeconds: 0 } });
    expect((await examined()).wrong).toEqual([]);
  });

  it("finds lives that differ", async () => {
    const expires = new Date(Date.now() + 7 * 86_400_000);
    await link.db.collection<{ _id: string }>("sessions").insertOne({ _id: "s1", expires, session: "{}" } as never);
    await link.db
      .collection("sluice_instances")
      .insertOne({ at: new Date(), everyMs: 60_000, ttlSeconds: 60, serverId: "one" });
    const { wrong, advice } = await examined();
    await link.db.collection("sluice_instances").deleteMany({});
    await link.db.collection("sessions").deleteMany({});
    expect(wrong).toContain("sessions: TTL_SESSIONS is 86400 here and 60 on servers that run.");
    expect(advice).toContainEqual(expect.stringMatching(/A session in MongoDB lives for 604\d\d\d s more/));
  });

  it("cannot look at a Redis that is frozen or gone: exit code 2", async () => {
    redis.freeze();
    const frozen = await examined();
    redis.thaw();
    expect(frozen.code).toBe(2);
    expect(said(frozen.findings, "unknown")).toEqual(["Redis: Redis cannot be looked at: the server does not answer."]);
    const gone = await examined({ REDIS_URL: "redis://127.0.0.1:1" });
    expect(gone.code).toBe(2);
    expect(said(gone.findings, "unknown")).toEqual(["Redis: Redis cannot be looked at: the connection is refused."]);
    const refused = await examined({ REDIS_PASSWORD: "guessed" });
    expect(said(refused.findings, "unknown")).toEqual([expect.stringMatching(/refuses user or password/)]);
  });

  it("cannot look at a MongoDB that is not there, and looks at Redis all the same: exit code 2", {
    timeout: 60_000,
  }, async () => {
    const gone = await examined({ MONGODB_URL: "mongodb://ann:geheim@127.0.0.1:1/chat" });
    expect(gone.code).toBe(2);
    expect(said(gone.findings, "unknown")).toEqual([expect.stringMatching(/^MongoDB: MongoDB at .* did not answer/)]);
    expect(said(gone.findings, "ok")).toContain("Redis: maxmemory-policy is volatile-ttl");
    expect(JSON.stringify(gone)).not.toContain("geheim");
    const none = await atDesk(["doctor"], { PORT: "x" });
    expect(none).toMatchObject({ code: 2, text: expect.stringMatching(/WRONG {3}PORT: got "x"/) });
  });

  it("finds a MongoDB without a replica set, and asks nothing of one that nobody has used yet", async () => {
    const own: OwnMongod = await startMongod({ replicaSet: false });
    try {
      const { wrong, findings } = await examined({ MONGODB_URL: own.url });
      expect(wrong).toEqual([
        expect.stringMatching(/^MongoDB: It is a single server without a replica set/),
        "sessions: No TTL index removes expired sessions from MongoDB.",
      ]);
      expect(said(findings, "ok")).toContainEqual(
        expect.stringMatching(/^MongoDB: No migration has been run: the chat/),
      );
    } finally {
      await own.remove();
    }
  });

  it("finds clocks that differ by more than the way there may explain", () => {
    const clock = (offsetMs: number, errorMs = 1) => examineClocks([{ of: "Redis", offsetMs, errorMs }])[0];
    expect(clock(3_000)).toMatchObject({
      level: "wrong",
      says: "The clock of Redis is 3.0 s ahead of this machine's.",
    });
    expect(clock(-900)).toMatchObject({ level: "advice", says: "The clock of Redis is 0.9 s behind this machine's." });
    expect(clock(3_000, 3_000)?.level).toBe("ok");
    expect(clock(20)?.level).toBe("ok");
  });
});

describe("sluice config check", () => {
  const secret = "geheim".repeat(8);
  const production = {
    NODE_ENV: "production",
    MONGODB_URL: `mongodb://ann:${secret}@db:27017/chat`,
    JWT_SECRET: secret,
    SESSION_SECRET: `${secret}2`,
    TRUST_PROXY: "1",
  };

  it("shows what counts and no secret", async () => {
    const { code, text } = await atDesk(["config", "check"], { ...production, PORT: "4000" });
    expect(code).toBe(0);
    expect(text).toMatch(/^PORT +4000 +set$/m);
    expect(text).toMatch(/^HOST +127\.0\.0\.1$/m);
    expect(text).toMatch(/^MONGODB_URL +mongodb:\/\/\*\*\*@db:27017\/chat +set$/m);
    expect(text).toMatch(/^JWT_SECRET +\*\*\* +set$/m);
    expect(text).not.toContain("geheim");
    const { json } = await atDesk(["config", "check", "--json"], production);
    expect(JSON.stringify(json)).not.toContain("geheim");
    expect(json.settings).toContainEqual({ group: "Server", name: "TRUST_PROXY", value: "1", from: "TRUST_PROXY" });
  });

  it("says everything that is wrong at once: exit code 1", async () => {
    const { code, text } = await atDesk(["config", "check"], { PORT: "x", HISTORY_LIMIT: "1" });
    expect(code).toBe(1);
    expect(text).toMatch(/WRONG {3}PORT: got "x".*WRONG {3}HISTORY_LIMIT: got "1".*2 to be put right/s);
    expect((await atDesk(["config", "check"], { ...production, RATE_LIMITS: "off" })).code).toBe(1);
  });
});
