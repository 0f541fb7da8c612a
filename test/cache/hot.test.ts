import { type IncomingHttpHeaders, request } from "node:http";
import { brotliDecompressSync } from "node:zlib";
import jwt from "jsonwebtoken";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { patient } from "../support/door.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("hot");
const origin = "http://localhost:3000";
let redis: RedisServer;
let one: Chat;
let two: Chat;
let client: mongoose.mongo.MongoClient;

beforeAll(async () => {
  redis = await startRedisServer();
  const env = { MONGODB_URL: url, REDIS_URL: redis.url, JWT_SECRET: "of the test", RATE_LIMITS: "on" };
  // The first one alone makes the indexes.
  one = await startChat({ env: { ...env, RATE_LIMIT_REGISTER: "1000/15m" } });
  two = await startChat({ env: { ...env, RATE_LIMIT_REGISTER: "1000/15m" } });
  client = await mongoose.mongo.MongoClient.connect(url);
});
afterAll(async () => {
  await client?.close();
  await Promise.all([one?.stop(), two?.stop()]);
  await redis?.close();
  await dropDatabase(url);
});

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface Ask {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** As it comes over the wire, without a cookie. */
function ask(chat: Chat, token: string, { path = "/api/users", method = "GET", headers = {}, body }: Ask = {}) {
  return new Promise<Reply>((resolve, reject) => {
    const all = { Authorization: `Bearer ${token}`, Origin: origin, ...headers };
    const asked = request(chat.url + path, { method, headers: all }, (res) => {
      const parts: Buffer[] = [];
      res.on("data", (part: Buffer) => parts.push(part));
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(parts) }));
    });
    asked.on("error", reject).end(body);
  });
}

/** Asks until it is answered from memory. */
const warm = (chat: Chat, token: string, path = "/api/users") =>
  until(
    async () => {
      const reply = await ask(chat, token, { path });
      return reply.headers["x-cache"] === "l1" ? reply : undefined;
    },
    { timeoutMs: 15_000, describe: `${path} from memory` },
  );

let people = 0;
async function join(chat = one): Promise<Browser & { id: string; nickname: string }> {
  const browser = createBrowser(chat.url);
  people += 1;
  const nickname = `hot ${people}`;
  const { body } = await browser.register(nickname);
  return Object.assign(browser, { id: body.user.id as string, nickname });
}

/** What differs between two answers to the same question. */
function comparable({ status, headers, body }: Reply) {
  const { date: _, "x-cache": __, "ratelimit-remaining": ___, "ratelimit-reset": ____, ...rest } = headers;
  return { status, headers: rest, body: body.toString("base64") };
}

/** A request that nobody would call bare goes the long way. */
const longWay = { "Content-Length": "0" };

describe("a hot answer", () => {
  it.each([
    ["/api/users", {}],
    ["/api/channels", {}],
    ["/api/users", { Origin: "http://elsewhere.example" }],
    ["/api/users", { "Accept-Encoding": "gzip, br" }],
    ["/api/channels", { "If-None-Match": "*" }],
    ["/api/channels", { "If-None-Match": '"other"' }],
    ["/api/channels/general/messages", {}],
    ["/api/channels/general/messages", { "If-None-Match": "*" }],
  ])("is the same as by the long way: %s %j", async (path, headers) => {
    const { token } = await join();
    for (const method of ["GET", "HEAD"]) {
      // Somebody's status may change in between.
      const hot = await until(async () => {
        const [hot, long] = [
          await ask(one, token, { path, method, headers }),
          await ask(one, token, { path, method, headers: { ...headers, ...longWay } }),
        ];
        expect(comparable(hot)).toEqual(comparable(long));
        return [hot, long].every((reply) => reply.headers["x-cache"] === "l1") ? hot : undefined;
      });
      expect(hot.headers).toMatchObject({
        "cache-control": "private, no-cache",
        vary: "Authorization, Origin, Accept-Encoding",
      });
    }
  });

  it("says what MongoDB says, packed or not, and nothing to who has it", async () => {
    for (let n = 0; n < 12; n += 1) await join();
    const { token } = await join();
    await warm(one, token);
    const stored = await client.db().collection("users").find().sort({ nickname: 1 }).toArray();
    // Somebody's status may change in between.
    const { plain, packed } = await until(async () => {
      const plain = await warm(one, token);
      const packed = await ask(one, token, { headers: { "Accept-Encoding": "br" } });
      return plain.headers.etag === packed.headers.etag ? { plain, packed } : undefined;
    });
    const listed = JSON.parse(plain.body.toString()) as { _id: string; nickname: string; lastActive: string }[];
    expect(listed.map(({ _id, nickname }) => [_id, nickname])).toEqual(
      stored.map(({ _id, nickname }) => [String(_id), nickname]),
    );
    expect(packed.headers["content-encoding"]).toBe("br");
    expect(brotliDecompressSync(packed.body).equals(plain.body)).toBe(true);
    const none = await until(async () => {
      const { headers } = await warm(one, token);
      const reply = await ask(one, token, { headers: { "If-None-Match": String(headers.etag) } });
      return reply.status === 304 ? reply : undefined;
    });
    expect(none.body.length).toBe(0);
  });

  it("counts against the limits as any other request does", async () => {
    const { token } = await join();
    // On a busy machine some may go the long way.
    const left = await until(async () => {
      const replies: Reply[] = [];
      for (let n = 0; n < 11; n += 1) replies.push(await ask(one, token, { path: "/api/channels" }));
      const hot = replies.every(({ headers }) => headers["x-cache"] === "l1");
      return hot ? replies.map(({ headers }) => Number(headers["ratelimit-remaining"])) : undefined;
    });
    const [first = 0] = left;
    expect(left).toEqual(Array.from({ length: 11 }, (_, n) => first - n));
    await until(
      async () => {
        const long = await ask(one, token, { path: "/api/channels", headers: longWay });
        return Number(long.headers["ratelimit-remaining"]) < first - 10;
      },
      { describe: "the long way to know what was counted" },
    );
  });

  it("ends where the limit does", async () => {
    const strict = await startChat({
      env: {
        MONGODB_URL: url,
        REDIS_URL: redis.url,
        JWT_SECRET: "of the test",
        RATE_LIMITS: "on",
        RATE_LIMIT_API: "60/15m",
        // While Redis is out each server counts by itself.
        ...patient,
      },
    });
    const { token } = await join();
    const other = await join();
    try {
      // A server that has just begun keeps nothing in memory yet; looking for that must not reach the limit.
      await until(async () => (await ask(strict, other.token, { path: "/api/channels" })).headers["x-cache"] === "l1", {
        everyMs: 250,
        timeoutMs: 14_000,
      });
      const replies: Reply[] = [];
      await until(
        async () => {
          replies.push(await ask(strict, token, { path: "/api/channels" }));
          return replies.at(-1)?.status === 429;
        },
        { everyMs: 1 },
      );
      expect(replies.some(({ headers }) => headers["x-cache"] === "l1")).toBe(true);
      expect(replies.filter(({ status }) => status === 200).length).toBe(60);
      expect(JSON.parse(String(replies.at(-1)?.body))).toMatchObject({ code: "RATE_LIMITED" });
    } finally {
      await strict.stop();
    }
  });

  it("is timed like the others, under its route", async () => {
    const { token } = await join();
    await warm(one, token);
    const page = await (await fetch(`${one.url}/metrics`)).text();
    expect(page).toMatch(/chat_http_request_duration_seconds_count\{.*route="\/api\/users".*cache="l1".*\} [1-9]/);
  });
});

describe("the page a channel opens with", () => {
  it("is one for all, but for those who have a private message on it", async () => {
    const [ann, bob] = [await join(one), await join(one)];
    const { body: made } = await ann.post("/api/channels", { name: "Many words", type: "text" });
    const path = `/api/channels/${made.id}/messages`;
    const messages = client.db().collection("messages");
    const at = Date.now() - 60_000;
    const line = (n: number) => ({
      author: "somebody",
      text: `line ${n}`,
      channel: made.id,
      type: "public",
      target: null as string | null,
      timestamp: new Date(at + n),
    });
    await messages.insertMany(Array.from({ length: 60 }, (_, n) => line(n)));
    const whisper = { ...line(1), text: "for ann", type: "private", target: ann.nickname };
    await messages.insertOne(whisper);

    const read = async (who: Browser, chat = one) => {
      const { headers, body } = await ask(chat, who.token, { path });
      const page = JSON.parse(String(body)) as { messages: { text: string }[]; before: string | null };
      return { from: headers["x-cache"], texts: page.messages.map(({ text }) => text), before: page.before };
    };
    const newest = Array.from({ length: 50 }, (_, n) => `line ${10 + n}`);
    // What is older than the page is nobody's reason to ask for more.
    for (const who of [ann, bob]) {
      await warm(one, who.token, path);
      const { texts, before } = await read(who);
      expect(texts).toEqual(newest);
      const older = await ask(one, who.token, { path: `${path}?before=${before}` });
      const found = JSON.parse(String(older.body)).messages.map(({ text }: { text: string }) => text);
      expect(found).toHaveLength(who === ann ? 11 : 10);
    }
    await messages.insertOne({ ...whisper, _id: new mongoose.Types.ObjectId(), timestamp: new Date() });
    for (const chat of [one, two]) {
      await until(async () => (await read(ann, chat)).texts.at(-1) === "for ann");
      await warm(chat, bob.token, path);
      expect((await read(bob, chat)).texts).toEqual(newest);
      expect((await read(ann, chat)).texts).toEqual([...newest.slice(1), "for ann"]);
    }
    await messages.insertOne({ ...line(70), text: "the last" });
    for (const chat of [one, two]) await until(async () => (await read(bob, chat)).texts.at(-1) === "the last");
    const page = await (await fetch(`${one.url}/metrics`)).text();
    expect(page).toMatch(
      /chat_http_request_duration_seconds_count\{.*route="\/api\/channels\/:id\/messages".*cache="l1".*\} [1-9]/,
    );
  });
});

describe("who changes something sees it at once, the others soon", () => {
  it("a channel", async () => {
    const [ann, bob] = [await join(one), await join(two)];
    await Promise.all([warm(one, ann.token, "/api/channels"), warm(two, bob.token, "/api/channels")]);
    await ann.post("/api/channels", { name: "Fresh Air", type: "text" });
    expect((await ask(one, ann.token, { path: "/api/channels" })).body.toString()).toContain("fresh-air");
    const begun = performance.now();
    await until(
      async () => (await ask(two, bob.token, { path: "/api/channels" })).body.toString().includes("fresh-air"),
      {
        everyMs: 2,
      },
    );
    console.log(`heard on the other instance after ${Math.round(performance.now() - begun)} ms`);
    await warm(two, bob.token, "/api/channels");
  });

  it("a new user", async () => {
    const ann = await join(one);
    await warm(one, ann.token);
    const bob = await join(one);
    expect((await ask(one, ann.token)).body.toString()).toContain(`"${bob.nickname}"`);
  });
});

describe("a token that is revoked", () => {
  const refused = (chat: Chat, token: string) => async () => (await ask(chat, token)).status === 401;
  const moderator = async () => {
    const browser = await join();
    const _id = new mongoose.Types.ObjectId(browser.id);
    await client
      .db()
      .collection("users")
      .updateOne({ _id }, { $set: { role: "moderator" } });
    return browser;
  };

  it.each([
    ["by a logout", async (ann: Browser) => void (await ann.post("/api/logout"))],
    [
      "by a ban",
      async (ann: Browser & { id: string }) => {
        const banned = await (await moderator()).post(`/api/admin/users/${ann.id}/ban`, { reason: "test" });
        expect(banned.status).toBe(200);
      },
    ],
    [
      "by a ban past every server",
      async (ann: Browser & { id: string }) => {
        const _id = new mongoose.Types.ObjectId(ann.id);
        await client
          .db()
          .collection("users")
          .updateOne({ _id }, { $set: { banned: true } });
      },
    ],
    [
      "by the end of its session past every server",
      async (ann: Browser & { id: string }) => {
        const named = new RegExp(`"userId":"${ann.id}"`);
        const gone = await client.db().collection("sessions").deleteMany({ session: named });
        expect(gone.deletedCount).toBe(1);
      },
    ],
    [
      "by an end that somebody has brought forward past every server",
      async (ann: Browser & { id: string }) => {
        const named = { session: new RegExp(`"userId":"${ann.id}"`) };
        await client
          .db()
          .collection("sessions")
          .updateOne(named, { $set: { expires: new Date() } });
      },
    ],
    [
      "by what an old server wrote past every server of ours",
      async (ann: Browser & { id: string }) => {
        const sessions = client.db().collection("sessions");
        const named = { session: new RegExp(`"userId":"${ann.id}"`) };
        const document = await sessions.findOne(named);
        const session = JSON.stringify({ ...JSON.parse(document?.session), handle: "another" });
        await sessions.updateOne(named, { $set: { session } });
      },
    ],
  ])("%s is dead on every instance", async (how, revoke) => {
    const ann = await join(one);
    await Promise.all([warm(one, ann.token), warm(two, ann.token)]);
    await revoke(ann);
    if (!how.includes("past")) expect((await ask(one, ann.token)).status).toBe(401);
    const begun = performance.now();
    await until(refused(two, ann.token), { everyMs: 2 });
    await until(refused(one, ann.token), { everyMs: 2 });
    console.log(`revoked ${how}: known everywhere after ${Math.round(performance.now() - begun)} ms`);
  });

  it("is never served from memory when it was not signed by us, or is over", async () => {
    const ann = await join();
    await warm(one, ann.token);
    const claims = jwt.decode(ann.token) as jwt.JwtPayload;
    expect((await ask(one, jwt.sign(claims, "another secret"))).status).toBe(401);
    const short = jwt.sign({ ...claims, exp: Math.floor(Date.now() / 1_000) + 5 }, "of the test");
    await warm(one, short);
    await until(async () => (await ask(one, short)).status === 401, { timeoutMs: 15_000 });
  });

  it("is found in MongoDB while nobody can tell of it", async () => {
    const ann = await join(one);
    await Promise.all([warm(one, ann.token), warm(two, ann.token)]);
    redis.freeze();
    try {
      await until(async () => (await ask(two, ann.token)).headers["x-cache"] === "bypass", { timeoutMs: 15_000 });
      await ann.post("/api/logout");
      expect((await ask(two, ann.token)).status).toBe(401);
      expect((await ask(one, ann.token)).status).toBe(401);
    } finally {
      redis.thaw();
    }
    const bob = await join(two);
    await warm(two, bob.token);
  });
});

it("a channel that others may no longer read is closed on every instance, whoever closed it", async () => {
  const ann = await join(one);
  const made = await ann.post("/api/channels", { name: "soon closed", type: "text" });
  const path = `/api/channels/${made.body.id}/messages`;
  const statuses = async () =>
    (await Promise.all([one, two].map((chat) => ask(chat, ann.token, { path })))).map(({ status }) => status);
  expect(await statuses()).toEqual([200, 200]);
  expect(await statuses()).toEqual([200, 200]);
  await client
    .db()
    .collection("channels")
    .updateOne({ id: made.body.id }, { $set: { "permissions.read": "admin" } });
  // Sooner than what is remembered would be forgotten by itself.
  await until(async () => (await statuses()).every((status) => status === 403), { timeoutMs: 8_000, everyMs: 2 });
  await client
    .db()
    .collection("channels")
    .updateOne({ id: made.body.id }, { $set: { "permissions.read": "everyone" } });
  await until(async () => (await statuses()).every((status) => status === 200), { timeoutMs: 8_000 });
});
