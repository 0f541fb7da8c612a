import jwt from "jsonwebtoken";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { type Browser, createBrowser, password } from "../support/http.ts";

const jwtSecret = "a secret that the old server had, too";
/** Who has logged in is online for as long as these tests look. */
const longGrace = { PRESENCE_GRACE: "20s", PRESENCE_LEASE: "60s" };
const hex64 = /^[0-9a-f]{64}$/;
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

interface Claims {
  userId: string;
  nickname: string;
  role: string;
  csrfToken: string;
  sessionId: string;
  iat: number;
  exp: number;
}

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

/** The REST half of the wire contract, spoken to the shipped server; `env` says on top of what it stands. */
export function httpContract(setting: string, mongoUrl: string, env: () => Promise<Record<string, string>>): void {
  describe(`HTTP contract, ${setting}`, () => {
    let chat: Chat;
    let mongo: mongoose.mongo.MongoClient;
    let db: mongoose.mongo.Db;
    let serial = 0;
    const someone = () => `user-${++serial}`;

    beforeAll(async () => {
      mongo = await mongoose.mongo.MongoClient.connect(mongoUrl);
      db = mongo.db();
      chat = await startChat({ env: { MONGODB_URL: mongoUrl, JWT_SECRET: jwtSecret, ...longGrace, ...(await env()) } });
    });
    afterAll(async () => {
      await chat?.stop();
      await db?.dropDatabase();
      await mongo?.close();
    });

    const browser = () => createBrowser(chat.url);
    async function registered(nickname = someone()): Promise<Browser> {
      const b = browser();
      expect((await b.register(nickname)).status).toBe(201);
      return b;
    }
    async function withRole(role: string): Promise<Browser> {
      const b = await registered();
      await db.collection("users").updateOne({ nickname: claimsOf(b.token).nickname }, { $set: { role } });
      return b;
    }
    const sessionsOf = (nickname: string) =>
      db
        .collection("sessions")
        .find({ session: new RegExp(`"nickname":"${nickname}"`) })
        .toArray();

    describe("register", () => {
      it("answers token, user and session, and sets the cookie", async () => {
        const b = browser();
        const answer = await b.post("/api/register", { nickname: "Ada L", email: "Ada@Example.com", password });
        expect(answer.status).toBe(201);
        const { token, user, session } = answer.body;
        expect(Object.keys(answer.body)).toEqual(["token", "user", "session"]);
        expect(user).toEqual({
          id: expect.stringMatching(/^[0-9a-f]{24}$/),
          nickname: "Ada L",
          email: "ada@example.com",
          role: "member",
        });
        expect(session).toEqual({
          id: expect.any(String),
          authenticated: true,
          expires: expect.stringMatching(iso),
          csrfToken: expect.stringMatching(hex64),
        });
        const claims = claimsOf(token);
        expect(Object.keys(claims).sort()).toEqual([
          "csrfToken",
          "exp",
          "iat",
          "nickname",
          "role",
          "sessionId",
          "userId",
        ]);
        expect(claims).toMatchObject({
          userId: user.id,
          nickname: "Ada L",
          role: "member",
          csrfToken: session.csrfToken,
        });
        expect(claims.exp - claims.iat).toBe(86_400);
        const cookie = answer.headers.getSetCookie().find((line) => line.startsWith("chatSession="));
        expect(cookie).toMatch(/HttpOnly/i);
        expect(cookie).toMatch(/Path=\//i);
        expect(cookie).toMatch(/SameSite=(Lax|Strict)/i);
        expect(cookie).not.toMatch(/Secure/i);
        expect(answer.headers.get("cache-control")).toBe("no-store");
      });

      it("stores user and session as the old server did", async () => {
        const b = await registered("stored-user");
        const user = await db.collection("users").findOne({ nickname: "stored-user" });
        expect(user).toMatchObject({
          email: "stored-user@example.com",
          role: "member",
          status: "online",
          createdAt: expect.any(Date),
        });
        expect(user?.password).toMatch(/^\$2b\$04\$/);
        const [document] = await sessionsOf("stored-user");
        expect(document?.expires.getTime()).toBeGreaterThan(Date.now() + 86_000_000);
        const session = JSON.parse(document?.session);
        expect(session).toMatchObject({
          authenticated: true,
          userId: user?._id.toHexString(),
          nickname: "stored-user",
          role: "member",
          csrfToken: claimsOf(b.token).csrfToken,
          registrationTime: expect.stringMatching(iso),
          userAgent: expect.any(String),
        });
        expect(session.cookie).toMatchObject({
          originalMaxAge: expect.closeTo(86_400_000, -3),
          httpOnly: true,
          path: "/",
          secure: false,
        });
      });

      it("refuses a nickname and an e-mail that are taken", async () => {
        const nickname = someone();
        await registered(nickname);
        const again = await browser().post("/api/register", { nickname, email: "else@example.com", password });
        expect([again.status, again.body.error, again.body.message]).toEqual([
          409,
          "Nickname already taken",
          "Nickname already taken",
        ]);
        const email = `${nickname.toUpperCase()}@EXAMPLE.com`;
        const other = await browser().post("/api/register", { nickname: someone(), email, password });
        expect([other.status, other.body.error]).toEqual([409, "Email already registered"]);
      });

      it("lets one of many at once have a nickname", async () => {
        const nickname = someone();
        const tries = Array.from({ length: 8 }, (_, i) =>
          browser().post("/api/register", { nickname, email: `${nickname}-${i}@example.com`, password }),
        );
        const statuses = (await Promise.all(tries)).map((answer) => answer.status).sort();
        expect(statuses).toEqual([201, ...Array(7).fill(409)]);
      });

      it.each([
        ["no body", undefined, ["nickname", "email", "password"]],
        ["short values", { nickname: "ab", email: "a@b.co", password: "12345" }, ["nickname", "password"]],
        ["a long nickname", { nickname: "x".repeat(51), email: "a@b.co", password }, ["nickname"]],
        ["a wrong e-mail", { nickname: "abc", email: "nowhere", password }, ["email"]],
        ["operators", { nickname: { $ne: 1 }, email: { $gt: "" }, password: ["a"] }, ["nickname", "email", "password"]],
        ["an array", [1, 2], ["nickname", "email", "password"]],
      ])("says what is wrong with %s", async (_name, body, paths) => {
        const { status, body: answer } = await browser().post("/api/register", body);
        expect(status).toBe(400);
        expect(answer.errors.map((e: { path: string }) => e.path)).toEqual(paths);
        for (const error of answer.errors)
          expect(error).toMatchObject({ type: "field", msg: expect.any(String), location: "body" });
        expect(answer.message).toBe(answer.errors[0].msg);
        expect(answer.error).toBe(answer.message);
        expect(JSON.stringify(answer)).not.toContain("12345");
      });

      it.each([
        "System",
        "system",
        "SYSTEM",
        " System ",
        "Sуstem",
        "ЅУЅТЕМ",
        "Sys tem",
        "S.y.s.t.e.m",
        "Ｓｙｓｔｅｍ",
        "Sy\u200bstem",
        "5ystem",
        "Śystem",
        "ꓢꓬꓢꓔꓰꓟ",
        "ᏚᎩᏚᎢᎬᎷ",
        "ⲤⲨsⲧⲉⲙ",
        "Systɛm",
        "Systern",
      ])("keeps the name of the author of system lines: %s", async (nickname) => {
        const answer = await browser().post("/api/register", { nickname, email: `${someone()}@example.com`, password });
        expect(answer.status).toBe(400);
      });
    });

    describe("login", () => {
      it("takes the nickname, or the e-mail in any case", async () => {
        const nickname = someone();
        await registered(nickname);
        for (const identifier of [nickname, `${nickname}@example.com`, `${nickname.toUpperCase()}@EXAMPLE.COM`]) {
          const b = browser();
          const answer = await b.login(identifier);
          expect(answer.status).toBe(200);
          expect(answer.body.user.nickname).toBe(nickname);
          expect(answer.body.session.csrfToken).toBe(claimsOf(b.token).csrfToken);
        }
      });

      it("does not tell an unknown user from a wrong password", async () => {
        const nickname = someone();
        await registered(nickname);
        const wrong = await browser().login(nickname, "not the password");
        const unknown = await browser().login("nobody-of-that-name", "not the password");
        expect(wrong.status).toBe(400);
        expect(wrong.body).toMatchObject({ error: "Invalid credentials", message: "Invalid credentials" });
        expect({ status: unknown.status, body: unknown.body }).toEqual({ status: wrong.status, body: wrong.body });
      });

      it("cannot be taken from its owner by whoever bears their e-mail as a nickname", async () => {
        const [owner, thief] = [someone(), someone()];
        await registered(owner);
        const email = `${owner}@example.com`;
        const refused = await browser().post("/api/register", {
          nickname: email,
          email: `${thief}@example.com`,
          password,
        });
        expect([refused.status, refused.body.message]).toEqual([400, "Nickname must not be an e-mail address"]);
        await registered(thief);
        await db.collection("users").updateOne({ nickname: thief }, { $set: { nickname: email } });
        await registered(`${owner}-other`);
        await browser().login(email, "something else");
        const answers = [await browser().login(email), await browser().login(` ${owner} `)];
        expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      });

      it("twice at once with one cookie leaves nothing that outlives a logout", async () => {
        const nickname = someone();
        const b = await registered(nickname);
        const tabs = [browser(), browser()];
        for (const tab of tabs) tab.cookie = b.cookie;
        await Promise.all(tabs.map((tab) => tab.login(nickname)));
        expect((await tabs[0]?.post("/api/logout", {}))?.status).toBe(200);
        expect((await tabs[1]?.get("/api/channels"))?.status).toBe(401);
        expect(await sessionsOf(nickname)).toEqual([]);
      });

      it("gives a new sid, and lets the first tab live on when the same user comes again", async () => {
        const b = await registered();
        const first = { token: b.token, cookie: b.cookie };
        const second = await b.login(claimsOf(first.token).nickname);
        expect(second.status).toBe(200);
        expect(b.cookie).not.toBe(first.cookie);
        expect(claimsOf(b.token)).toMatchObject({
          csrfToken: claimsOf(first.token).csrfToken,
          sessionId: claimsOf(first.token).sessionId,
        });
        const tab = browser();
        tab.token = first.token;
        expect((await tab.get("/api/channels")).status).toBe(200);
        expect(await sessionsOf(claimsOf(first.token).nickname)).toHaveLength(1);
      });

      it("ends the old session when another user logs in on the same browser", async () => {
        const b = await registered();
        const first = b.token;
        const other = someone();
        await registered(other);
        expect((await b.login(other)).status).toBe(200);
        expect(claimsOf(b.token).csrfToken).not.toBe(claimsOf(first).csrfToken);
        const tab = browser();
        tab.token = first;
        expect((await tab.get("/api/channels")).body.code).toBe("INVALID_TOKEN");
      });

      it("does not take over a sid that a stranger planted", async () => {
        const nickname = someone();
        await registered(nickname);
        const planted = "chatSession=s%3Aplanted.c2lnbmF0dXJl";
        const b = browser();
        b.cookie = planted;
        await b.login(nickname);
        expect(b.cookie).not.toContain("planted");
      });
    });

    describe("tokens", () => {
      it.each([
        ["no header", {}, "NO_TOKEN", "Access token required"],
        ["another scheme", { Authorization: "Basic abc" }, "NO_TOKEN", "Access token required"],
        ["no JWT", { Authorization: "Bearer hello" }, "INVALID_TOKEN_FORMAT", "Invalid token format"],
        [
          "a foreign signature",
          { Authorization: "Bearer eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ4In0.c2ln" },
          "INVALID_TOKEN",
          "Invalid token",
        ],
        [
          "alg none",
          { Authorization: "Bearer eyJhbGciOiJub25lIn0.eyJ1c2VySWQiOiJ4In0." },
          "INVALID_TOKEN",
          "Invalid token",
        ],
      ])("are refused: %s", async (_name, headers, code, message) => {
        const answer = await browser().get("/api/channels", headers);
        expect(answer.status).toBe(401);
        expect(answer.body).toEqual({ error: message, code, message });
      });

      it("die with their user", async () => {
        const b = await registered();
        await db.collection("users").deleteOne({ nickname: claimsOf(b.token).nickname });
        expect((await b.get("/api/channels")).body.code).toBe("USER_NOT_FOUND");
      });

      it("die with their session, whoever ended it", async () => {
        const b = await registered();
        const { nickname } = claimsOf(b.token);
        expect((await b.get("/api/channels")).status).toBe(200);
        await db.collection("sessions").deleteMany({ session: new RegExp(`"nickname":"${nickname}"`) });
        const deadline = Date.now() + 10_000;
        let answer = await b.get("/api/channels");
        while (answer.status === 200 && Date.now() < deadline) answer = await b.get("/api/channels");
        expect(answer.body.code).toBe("INVALID_TOKEN");
      });
    });

    describe("logout", () => {
      it("kills token, session and cookie", async () => {
        const b = await registered();
        const { token, cookie } = b;
        const answer = await b.post("/api/logout", {});
        expect(answer.status).toBe(200);
        expect(answer.body).toEqual({ success: true, message: "Logged out successfully", disconnectedCount: 0 });
        expect((await b.get("/api/channels")).status).toBe(401);
        const old = browser();
        old.cookie = cookie;
        old.token = token;
        expect((await old.get("/api/channels")).body.code).toBe("INVALID_TOKEN");
        const { nickname } = claimsOf(token);
        expect(await sessionsOf(nickname)).toEqual([]);
        expect((await db.collection("users").findOne({ nickname }))?.status).toBe("offline");
      });

      it("ends the tokens that the old server gave, which name no session", async () => {
        const nickname = someone();
        const b = await registered(nickname);
        const { userId, csrfToken } = claimsOf(b.token);
        const claims = { userId, nickname, role: "member", csrfToken, iat: Math.floor(Date.now() / 1000) - 60 };
        const old = browser();
        old.token = jwt.sign(claims, jwtSecret, { expiresIn: "1h" });
        expect((await old.get("/api/channels")).status).toBe(200);
        await b.post("/api/logout", {});
        expect((await old.get("/api/channels")).body.code).toBe("INVALID_TOKEN");
      });

      it("needs a token", async () => {
        expect((await browser().post("/api/logout", {})).body.code).toBe("NO_TOKEN");
      });

      it("of one browser leaves the other logged in", async () => {
        const one = await registered();
        const two = browser();
        await two.login(claimsOf(one.token).nickname);
        await one.post("/api/logout", {});
        expect((await two.get("/api/channels")).status).toBe(200);
      });

      it("of the session alone says whether there was one", async () => {
        const b = await registered();
        const { token } = b;
        const answer = await b.post("/api/logout_session", {});
        expect(answer.body).toMatchObject({ success: true, type: "session_logout", sessionDestroyed: true });
        expect((await browser().post("/api/logout_session", {})).body.sessionDestroyed).toBe(false);
        expect((await b.get("/api/channels", { Authorization: `Bearer ${token}` })).status).toBe(401);
      });

      it("complete is content with the cookie alone", async () => {
        const b = await registered();
        const { token } = b;
        b.token = "";
        expect((await b.post("/api/logout_complete", {})).body).toMatchObject({
          success: true,
          jwt: false,
          session: true,
        });
        expect((await b.get("/api/channels", { Authorization: `Bearer ${token}` })).status).toBe(401);
        expect((await browser().post("/api/logout_complete", {})).body).toMatchObject({ jwt: false, session: false });
      });

      it("complete ends token and session", async () => {
        const b = await registered();
        const { token } = b;
        const answer = await b.post("/api/logout_complete", {});
        expect(answer.body).toEqual({
          success: true,
          message: "Complete logout processed",
          type: "complete_logout",
          jwt: true,
          session: true,
        });
        expect((await b.get("/api/channels", { Authorization: `Bearer ${token}` })).status).toBe(401);
      });
    });

    describe("channels", () => {
      it("are never empty", async () => {
        const b = await registered();
        const { status, body } = await b.get("/api/channels");
        expect(status).toBe(200);
        expect(body.slice(0, 2)).toEqual(
          [
            { id: "general", name: "General", type: "text", createdBy: "system", position: 0 },
            { id: "voice-chat", name: "Voice Chat", type: "voice", createdBy: "system", position: 1 },
          ].map((channel) => expect.objectContaining(channel)),
        );
      });

      it("are made with a slug, by position", async () => {
        const b = await registered();
        const { nickname } = claimsOf(b.token);
        const made = await b.post("/api/channels", {
          name: "  Über Rust & Go  ",
          type: "text",
          description: "<b>any</b>",
        });
        expect(made.status).toBe(201);
        expect(made.body).toEqual({
          id: "ber-rust-go",
          name: "  Über Rust & Go  ",
          type: "text",
          description: "<b>any</b>",
          createdBy: nickname,
          position: expect.any(Number),
        });
        const list = (await b.get("/api/channels")).body;
        expect(list).toContainEqual(made.body);
        const positions = list.map((channel: { position: number }) => channel.position);
        expect(positions).toEqual([...positions].sort((x, y) => x - y));
      });

      it("get another id when the slug is taken, and a made one when there is none", async () => {
        const b = await registered();
        const make = async (name: string) => (await b.post("/api/channels", { name, type: "voice" })).body.id;
        expect([await make("Tea Room"), await make("tea  room"), await make("TEA-ROOM")]).toEqual([
          "tea-room",
          "tea-room-1",
          "tea-room-2",
        ]);
        expect(await make("Кухня")).toMatch(/^channel-[a-z0-9]+$/);
        const many = await Promise.all(Array.from({ length: 6 }, () => make("Rush")));
        expect(new Set(many).size).toBe(6);
      });

      it.each([
        ["no name", { type: "text" }],
        ["a blank name", { name: "   ", type: "text" }],
        ["a long name", { name: "x".repeat(101), type: "text" }],
        ["another type", { name: "x", type: "video" }],
        ["a long description", { name: "x", type: "text", description: "d".repeat(501) }],
        ["operators", { name: { $gt: "" }, type: { $ne: "" } }],
      ])("are not made with %s", async (_name, body) => {
        const b = await registered();
        const count = await db.collection("channels").countDocuments();
        const answer = await b.post("/api/channels", body);
        expect([answer.status, answer.body.message]).toEqual([400, answer.body.errors[0].msg]);
        expect(await db.collection("channels").countDocuments()).toBe(count);
      });
    });

    describe("message pages", () => {
      it("go backwards without a gap or a repetition, and show nobody else's private words", async () => {
        const b = await registered();
        const me = claimsOf(b.token).nickname;
        const room = (await b.post("/api/channels", { name: someone(), type: "text" })).body.id;
        const at = Date.now() - 60_000;
        const kinds = [
          { author: "x", type: "public", target: null },
          { author: "x", type: "private", target: me },
          { author: "x", type: "private", target: "y" },
          { author: me, type: "private", target: "y" },
        ];
        // Many share a millisecond: the id must decide.
        const all = Array.from({ length: 120 }, (_, i) => ({
          ...kinds[i % 4],
          channel: room,
          text: `m${i}`,
          timestamp: new Date(at + Math.floor(i / 10)),
          status: "delivered",
        }));
        await db.collection("messages").insertMany(all);
        const seen: string[] = [];
        let before: string | null = null;
        do {
          const query: string = before ? `&before=${encodeURIComponent(before)}` : "";
          const { status, body } = await b.get(`/api/channels/${room}/messages?limit=7${query}`);
          expect(status).toBe(200);
          expect(body.messages.length).toBeLessThanOrEqual(7);
          seen.unshift(...body.messages.map((m: { text: string }) => m.text));
          before = body.before;
        } while (before);
        expect(seen).toEqual(all.filter((_, i) => i % 4 !== 2).map((m) => m.text));
      });

      it("show old messages that lack an author, a type or a time", async () => {
        const b = await registered();
        const room = (await b.post("/api/channels", { name: someone(), type: "text" })).body.id;
        await db.collection("messages").insertOne({ author: null, text: "bare", channel: room });
        const { body } = await b.get(`/api/channels/${room}/messages`);
        expect(body.messages).toEqual([
          expect.objectContaining({ author: "System", type: "public", timestamp: expect.stringMatching(iso) }),
        ]);
      });

      it("have the fields of a message", async () => {
        const b = await registered();
        const room = (await b.post("/api/channels", { name: someone(), type: "text" })).body.id;
        await db
          .collection("messages")
          .insertOne({ author: "x", text: "hi", channel: room, type: "public", timestamp: new Date() });
        const { body } = await b.get(`/api/channels/${room}/messages`);
        expect(body).toEqual({
          messages: [
            {
              id: expect.stringMatching(/^[0-9a-f]{24}$/),
              author: "x",
              room,
              text: "hi",
              type: "public",
              target: null,
              timestamp: expect.stringMatching(iso),
            },
          ],
          before: null,
        });
      });

      it.each([
        "?limit=0",
        "?limit=101",
        "?limit=x",
        "?before=nonsense",
        "?before=a&before=b",
        "?before[$gt]=1&limit[$gt]=1",
      ])("refuse or ignore %s without harm", async (query) => {
        const b = await registered();
        const answer = await b.get(`/api/channels/general/messages${query}`);
        expect(answer.status).toBe(query.includes("[") ? 200 : 400);
      });

      it("of a channel that only admins may read are refused to others", async () => {
        const [member, admin] = [await registered(), await withRole("admin")];
        const room = (await member.post("/api/channels", { name: someone(), type: "text" })).body.id;
        await db.collection("channels").updateOne({ id: room }, { $set: { "permissions.read": "admin" } });
        expect((await member.get(`/api/channels/${room}/messages`)).body.code).toBe("ADMIN_REQUIRED");
        expect((await admin.get(`/api/channels/${room}/messages`)).status).toBe(200);
      });

      it("of an unknown channel are not found", async () => {
        const b = await registered();
        const answer = await b.get("/api/channels/no-such/messages");
        expect([answer.status, answer.body.code, answer.body.error]).toEqual([
          404,
          "CHANNEL_NOT_FOUND",
          "Channel 'no-such' not found",
        ]);
      });
    });

    describe("users", () => {
      it("are all listed by nickname in binary order, with six fields", async () => {
        const b = await registered();
        await registered(`Z${someone()}`);
        await registered(`a${someone()}`);
        const { status, body } = await b.get("/api/users");
        expect(status).toBe(200);
        const names = body.map((user: { nickname: string }) => user.nickname);
        expect(names).toEqual([...names].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))));
        expect(names).toHaveLength(await db.collection("users").countDocuments());
        for (const user of body) {
          expect(Object.keys(user).sort()).toEqual(["_id", "createdAt", "lastActive", "nickname", "role", "status"]);
          expect(user.createdAt).toMatch(iso);
          expect(user.lastActive).toMatch(iso);
        }
      });
    });

    describe("moderation", () => {
      const idOf = (b: Browser) => claimsOf(b.token).userId;

      it("is for moderators, and roles for admins", async () => {
        const [member, moderator] = [await registered(), await withRole("moderator")];
        const target = await registered();
        expect((await member.get("/api/admin/users")).body.code).toBe("MODERATOR_REQUIRED");
        expect((await member.post(`/api/admin/users/${idOf(target)}/ban`, { reason: "x" })).status).toBe(403);
        const role = await moderator.post(`/api/admin/users/${idOf(target)}/role`, { role: "admin" });
        expect([role.status, role.body.code]).toEqual([403, "ADMIN_REQUIRED"]);
      });

      it("lists users, newest first, without secrets", async () => {
        const moderator = await withRole("moderator");
        const { body } = await moderator.get("/api/admin/users?page=1&limit=3");
        expect(body.users).toHaveLength(3);
        const total = await db.collection("users").countDocuments();
        expect(body.pagination).toEqual({ page: 1, limit: 3, total, pages: Math.ceil(total / 3) });
        const times = body.users.map((user: { createdAt: string }) => Date.parse(user.createdAt));
        expect(times).toEqual([...times].sort((x, y) => y - x));
        expect(JSON.stringify(body)).not.toMatch(/password|\$2b\$|csrf/i);
      });

      it("bans: token and session die, login says why, unban lets in again", async () => {
        const moderator = await withRole("moderator");
        const target = await registered();
        const { nickname } = claimsOf(target.token);
        const banned = await moderator.post(`/api/admin/users/${idOf(target)}/ban`, {
          reason: "spam",
          duration: 3_600,
        });
        expect([banned.status, banned.body.user.banned]).toEqual([200, true]);
        expect((await target.get("/api/channels")).body.code).toBe("INVALID_TOKEN");
        expect(await sessionsOf(nickname)).toEqual([]);
        const refused = await browser().login(nickname);
        expect(refused.status).toBe(403);
        expect(refused.body).toMatchObject({
          error: "Account is banned",
          message: "Account is banned",
          reason: "spam",
        });
        expect(Math.abs(Date.parse(refused.body.expires) - Date.now() - 3_600_000)).toBeLessThan(60_000);
        expect((await moderator.post(`/api/admin/users/${idOf(target)}/unban`, {})).status).toBe(200);
        expect((await target.get("/api/channels")).status).toBe(401);
        expect((await browser().login(nickname)).status).toBe(200);
      });

      it("forgets a ban whose time is over", async () => {
        const target = await registered();
        const { nickname } = claimsOf(target.token);
        await db
          .collection("users")
          .updateOne({ nickname }, { $set: { banned: true, banExpires: new Date(Date.now() - 1000) } });
        expect((await browser().login(nickname)).status).toBe(200);
      });

      it("warns, mutes, unmutes and changes roles, each with the user as it is now", async () => {
        const admin = await withRole("admin");
        const path = `/api/admin/users/${idOf(await registered())}`;
        const post = async (action: string, body: object) => (await admin.post(`${path}/${action}`, body)).body;
        expect((await post("warn", { reason: "language" })).user.warnings).toEqual([
          {
            reason: "language",
            issuedBy: claimsOf(admin.token).nickname,
            issuedAt: expect.stringMatching(iso),
            expires: null,
          },
        ]);
        expect(
          Math.abs(Date.parse((await post("mute", { duration: 60 })).user.muteExpires) - Date.now() - 60_000),
        ).toBeLessThan(10_000);
        expect((await post("unmute", {})).user.muteExpires).toBeNull();
        expect((await post("role", { role: "moderator" })).user.role).toBe("moderator");
      });

      it("refuses oneself, an admin, somebody unknown and wrong values", async () => {
        const [admin, other] = [await withRole("admin"), await withRole("admin")];
        const target = await registered();
        const status = async (id: string, action: string, body: object) =>
          (await admin.post(`/api/admin/users/${id}/${action}`, body)).status;
        for (const [action, body] of Object.entries({
          ban: { reason: "x" },
          mute: { duration: 60 },
          warn: { reason: "x" },
        })) {
          expect(await status(idOf(admin), action, body)).toBe(400);
          expect(await status(idOf(other), action, body)).toBe(403);
          expect(await status("0123456789abcdef01234567", action, body)).toBe(404);
          expect(await status("nonsense", action, body)).toBe(404);
        }
        for (const duration of [59, 86_401, "x", { $gt: 1 }, 60.5])
          expect(await status(idOf(target), "mute", { duration })).toBe(400);
        expect(await status(idOf(target), "role", { role: "owner" })).toBe(400);
        expect(await status(idOf(target), "ban", { reason: 7 })).toBe(400);
      });
    });

    describe("the door", () => {
      it("answers the old health", async () => {
        const { status, body } = await browser().get("/health");
        expect(status).toBe(200);
        expect(body).toEqual({ status: "healthy", timestamp: expect.stringMatching(iso), uptime: expect.any(Number) });
      });

      it.each(["/api/nothing", "/nothing", "/api/channels/x/y/z"])("does not know %s", async (path) => {
        const { status, body } = await browser().get(path);
        expect(status).toBe(404);
        expect(body).toMatchObject({
          error: "Endpoint not found",
          path: expect.any(String),
          method: "GET",
          code: "NOT_FOUND",
        });
      });

      it("lets the shipped client in across origins, and no other", async () => {
        const preflight = {
          "Access-Control-Request-Method": "POST",
          "Access-Control-Request-Headers": "authorization,content-type",
        };
        const welcome = await browser().send("OPTIONS", "/api/login", {
          headers: { Origin: "http://localhost:3000", ...preflight },
        });
        expect(welcome.status).toBe(204);
        expect(welcome.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
        expect(welcome.headers.get("access-control-allow-credentials")).toBe("true");
        expect(welcome.headers.get("access-control-allow-headers")).toMatch(/authorization/i);
        const stranger = await browser().send("OPTIONS", "/api/login", {
          headers: { Origin: "http://evil.example", ...preflight },
        });
        expect(stranger.headers.get("access-control-allow-origin")).toBeNull();
      });

      it("sends the headers of helmet", async () => {
        const { headers } = await browser().get("/api/channels");
        expect(headers.get("x-content-type-options")).toBe("nosniff");
        expect(headers.get("content-security-policy")).toContain("ws://localhost:3001");
        expect(headers.get("x-powered-by")).toBeNull();
      });

      it.each([
        ["malformed JSON", "{", {}, 400],
        ["a bare word", "hello", {}, 400],
        ["1 MB", JSON.stringify({ nickname: "x".repeat(1_000_000) }), {}, 413],
        ["deep nesting", `${"[".repeat(10_000)}${"]".repeat(10_000)}`, {}, 400],
        ["a prototype", '{"__proto__":{"nickname":"abc","email":"a@b.co","password":"1234567"}}', {}, 400],
        ["a constructor", '{"constructor":{"prototype":{"nickname":"abc"}}}', {}, 400],
        ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), {}, 400],
        ["an unknown encoding", "{}", { "Content-Encoding": "lzma" }, 415],
        ["a form", "nickname=abc", { "Content-Type": "application/x-www-form-urlencoded" }, 400],
      ])(
        "answers %s with a 4xx that says so, on every route that takes a body",
        async (_name, body, headers, status) => {
          for (const path of ["/api/register", "/api/login"]) {
            const answer = await browser().send("POST", path, {
              body,
              headers: { "Content-Type": "application/json", ...headers },
            });
            expect(answer.status).toBe(status);
            expect(answer.body).toMatchObject({
              error: expect.any(String),
              message: answer.body.error,
              code: expect.any(String),
            });
            expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|at \w+ \(/);
          }
        },
      );

      it.each([
        "/api/channels/%ff/messages",
        "/%E0%A4%A",
        "/..%2f..%2fpackage.json",
        "/.env",
        "/api/channels/__proto__/messages",
      ])("is not confused by %s", async (path) => {
        const b = await registered();
        const answer = await b.get(path);
        expect([400, 404]).toContain(answer.status);
        expect(answer.body.error).toEqual(expect.any(String));
      });

      it("sends the web client packed, and nothing when the browser has it", async () => {
        const page = await browser().get("/", { "Accept-Encoding": "br" });
        expect([page.status, page.headers.get("content-encoding")]).toEqual([200, "br"]);
        expect(page.body).toContain("<!doctype html>");
        const etag = page.headers.get("etag") ?? "";
        expect((await browser().get("/", { "If-None-Match": etag, "Cache-Control": "max-age=0" })).status).toBe(304);
        const plain = await browser().get("/app.js", { "Accept-Encoding": "identity" });
        expect([plain.headers.get("content-encoding"), plain.headers.get("content-type")]).toEqual([
          null,
          "text/javascript; charset=utf-8",
        ]);
      });

      it("leaks nothing into its output", () => {
        expect(chat.output()).not.toMatch(/\$2b\$|csrfToken":"[0-9a-f]|correct horse|eyJhbGci/);
      });
    });
  });
}
