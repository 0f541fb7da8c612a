import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { createBrowser } from "../support/http.ts";
import { createTown, credentialsOf, type Ear, open, type Person, type Town } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Long enough to come back within it on a busy machine. */
const grace = { PRESENCE_GRACE: "2s", PRESENCE_LEASE: "6s" };
const anId = expect.stringMatching(/^[0-9a-f]{24}$/);
const aTime = expect.stringMatching(iso);

/** The socket half of the wire contract, spoken to the shipped server; `env` says on top of what it stands. */
export function socketContract(setting: string, mongoUrl: string, env: () => Promise<Record<string, string>>): void {
  describe(`socket contract, ${setting}`, () => {
    let chat: Chat;
    let town: Town;
    let mongo: mongoose.mongo.MongoClient;
    let db: mongoose.mongo.Db;

    beforeAll(async () => {
      mongo = await mongoose.mongo.MongoClient.connect(mongoUrl);
      db = mongo.db();
      chat = await startChat({ env: { MONGODB_URL: mongoUrl, ...grace, ...(await env()) } });
      town = createTown(chat.url);
    });
    afterAll(async () => {
      town?.leave();
      await chat?.stop();
      await db?.dropDatabase();
      await mongo?.close();
    });

    const userOf = ({ nickname }: Person) => db.collection("users").findOne({ nickname });
    const setUser = ({ nickname }: Person, fields: object) =>
      db.collection("users").updateOne({ nickname }, { $set: fields });
    const texts = (ear: Ear, event = "message") => ear.all(event).map(({ text }) => text);
    const lastList = (ear: Ear): string[] | undefined =>
      ear
        .all("online_users")
        .at(-1)
        ?.map(({ nickname }: { nickname: string }) => nickname);

    /** Two people in a channel of their own. */
    async function couple() {
      const [ann, bob] = [await town.person("ann"), await town.person("bob")];
      const room = await town.channel(ann);
      const [a, b] = [await ann.tab(), await bob.tab()];
      await a.join(room);
      await b.join(room);
      await a.hears("message", ({ text }) => text === `${bob.nickname} joined the channel.`);
      return { ann, bob, room, a, b };
    }

    describe("handshake", () => {
      const refusal = async (credentials: Parameters<Town["ear"]>[0]) => open(town.ear(credentials));

      it("accepts the cookie with its csrf token, by websocket and by polling", async () => {
        const credentials = credentialsOf((await town.person()).browser);
        expect(await refusal({ ...credentials, transports: ["websocket"] })).toBe("connected");
        expect(await refusal({ ...credentials, transports: ["polling"] })).toBe("connected");
      });

      it("takes the handle of the token where the cookie names no session, the csrf token all the same", async () => {
        const { csrfToken, sessionId } = credentialsOf((await town.person()).browser);
        expect(await refusal({ csrfToken, sessionId })).toBe("connected");
        expect(await refusal({ csrfToken, sessionId, cookie: "chatSession=s%3Anobody.wrong" })).toBe("connected");
        expect(await refusal({ csrfToken: "no", sessionId })).toBe("CSRF validation failed");
      });

      it("says why not, in the five ways that clients know", async () => {
        const person = await town.person();
        const { cookie, csrfToken, sessionId } = credentialsOf(person.browser);
        const none = "Session authentication required";
        expect(await refusal({})).toBe(none);
        expect(await refusal({ csrfToken, sessionId: "unheard-of" })).toBe(none);
        expect(await refusal({ csrfToken, sessionId: { $ne: null } })).toBe(none);
        const sidOnly = decodeURIComponent(cookie).replace(/\.[^.]*$/, ".forged");
        expect(await refusal({ csrfToken, cookie: sidOnly })).toBe(none);
        for (const wrong of ["", "0".repeat(64), null, { $ne: null }, 7, undefined])
          expect(await refusal({ cookie, csrfToken: wrong })).toBe("CSRF validation failed");
        await setUser(person, { banned: true });
        expect(await refusal({ cookie, csrfToken, sessionId })).toBe("User is banned");
        await db.collection("users").deleteOne({ nickname: person.nickname });
        expect(await refusal({ cookie, csrfToken, sessionId })).toBe("User not found in session");
      });

      it("tells a session without a user from no session", async () => {
        const { cookie, csrfToken } = credentialsOf((await town.person()).browser);
        const sid = /s:([^.]+)\./.exec(decodeURIComponent(cookie))?.[1];
        const sessions = db.collection<{ _id: string; session: string }>("sessions");
        const document = await sessions.findOne({ _id: sid ?? "" });
        const { userId, ...rest } = JSON.parse(document?.session ?? "{}");
        expect(userId).toBeTypeOf("string");
        await sessions.updateOne({ _id: sid ?? "" }, { $set: { session: JSON.stringify(rest) } });
        // A server hears from MongoDB of what nobody's server has changed.
        await until(async () => (await refusal({ cookie, csrfToken })) === "User not found in session", {
          everyMs: 500,
        });
      });

      it("refuses the socket that a client opens once more after its logout", async () => {
        const person = await town.person();
        const ear = await person.tab();
        const dead = credentialsOf(person.browser);
        const { body } = await person.browser.post("/api/logout");
        expect(body.disconnectedCount).toBe(1);
        expect(await ear.hears("disconnect")).toBe("io server disconnect");
        expect(await refusal(dead)).toBe("Session authentication required");
      });

      it("answers the polling and the preflight of allowed pages only", async () => {
        const ask = (origin: string, method = "GET") =>
          fetch(`${chat.url}/socket.io/?EIO=4&transport=polling`, {
            method,
            headers: { origin, "access-control-request-method": "POST" },
          });
        const allowed = await ask("http://localhost:3000");
        expect(allowed.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
        expect(allowed.headers.get("access-control-allow-credentials")).toBe("true");
        expect((await ask("http://localhost:3000", "OPTIONS")).status).toBe(204);
        expect((await ask("http://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
      });

      it("lets no user hold more sockets than are allowed", async () => {
        const person = await town.person();
        const tabs = await Promise.all(Array.from({ length: 20 }, () => person.tab()));
        expect(await refusal(credentialsOf(person.browser))).toBe("Socket authentication failed");
        tabs[0]?.close();
        await until(async () => (await refusal(credentialsOf(person.browser))) === "connected");
      });
    });

    describe("join_room", () => {
      it("sends the join line, then who is there, then the history, in that order", async () => {
        const ann = await town.person();
        const room = await town.channel(ann);
        const ear = await ann.tab();
        const history = await ear.join(room);
        // The list of the whole room may follow at any time.
        expect([...new Set(ear.heard.map(({ event }) => event))]).toEqual(["message", "online_users", "history"]);
        const line = { author: "System", room, text: `${ann.nickname} joined the channel.`, type: "system" };
        expect(ear.heard[0]?.payload).toStrictEqual({ id: anId, ...line, channel: room, timestamp: aTime });
        expect(ear.heard[1]?.payload).toStrictEqual([{ nickname: ann.nickname, role: "member" }]);
        expect(history).toStrictEqual([{ id: anId, ...line, target: null, timestamp: aTime }]);
      });

      it("refuses in words what is no channel", async () => {
        const ear = await (await town.person()).tab();
        const cases: [unknown, string, string][] = [
          [undefined, "MISSING_ROOM", "Room name is required"],
          [{ room: "" }, "MISSING_ROOM", "Room name is required"],
          [{ room: "   " }, "INVALID_ROOM_FORMAT", "Invalid room name format"],
          [{ room: { $ne: "" } }, "INVALID_ROOM_FORMAT", "Invalid room name format"],
          [{ room: "nowhere" }, "CHANNEL_NOT_FOUND", "Channel 'nowhere' not found"],
        ];
        for (const [payload, code, message] of cases) {
          ear.forget();
          ear.emit("join_room", payload);
          expect(await ear.hears("error")).toStrictEqual({ message, code, timestamp: aTime });
        }
      });

      it("leaves the former room: no line there, nothing more heard of it, and not listed in it", async () => {
        const { ann, bob, room, a, b } = await couple();
        const other = await town.channel(ann);
        await a.join(other);
        await until(() => lastList(b)?.join() === bob.nickname, { describe: () => b.heard });
        b.emit("message", { text: "between us" });
        await b.hears("message", ({ text }) => text === "between us");
        a.emit("get_history");
        await a.hears("history", (entries) => entries.length === 1);
        expect(texts(a)).not.toContain("between us");
        expect(texts(b)).not.toContain(`${ann.nickname} left the channel.`);
        expect(await db.collection("messages").countDocuments({ channel: room, text: /left/ })).toBe(0);
      });

      it("carries out joins of one socket one after the other: the last wins", async () => {
        const ann = await town.person();
        const rooms = [await town.channel(ann), await town.channel(ann), await town.channel(ann)];
        const ear = await ann.tab();
        for (const room of rooms) ear.emit("join_room", { room });
        ear.emit("message", { text: "where am I" });
        expect(await ear.hears("message", ({ text }) => text === "where am I")).toMatchObject({ room: rooms[2] });
        expect(ear.all("history").map((entries) => entries.at(-1).room)).toEqual(rooms);
      });

      it("joins a second time without a second line", async () => {
        const { ann, room, a } = await couple();
        const history = await a.join(room);
        expect(history.filter(({ text }) => text === `${ann.nickname} joined the channel.`)).toHaveLength(1);
        // The room may hear of others who came before in between.
        expect(new Set(a.heard.map(({ event }) => event))).toEqual(new Set(["online_users", "history"]));
      });

      it("keeps everybody but admins out of a channel for admins, and from writing where it is locked", async () => {
        const { ann, room, a, b } = await couple();
        const channels = db.collection("channels");
        await channels.updateOne({ id: room }, { $set: { locked: true } });
        await a.join(room);
        b.forget();
        await channels.updateOne({ id: room }, { $set: { "permissions.read": "admin" } });
        // A server hears from MongoDB of what nobody's server has changed, and cuts who is inside.
        await until(async () => {
          if (!b.socket.connected) await open(b);
          b.emit("join_room", { room });
          return b.all("error").length > 0;
        });
        expect(await b.hears("error")).toMatchObject({ code: "CHANNEL_NOT_FOUND" });
        await setUser(ann, { role: "admin" });
        const admin = await ann.tab();
        await until(
          () => {
            admin.emit("join_room", { room });
            return admin.all("history").length > 0;
          },
          { everyMs: 100 },
        );
        admin.emit("message", { text: "by an admin" });
        await admin.hears("message", ({ text }) => text === "by an admin");
        await setUser(ann, { role: "member" });
        // Who acts is looked at again when the last look is a second old.
        await until(async () => {
          admin.emit("message", { text: "by nobody special" });
          return admin.all("disconnect").length > 0;
        });
      });
    });

    describe("message", () => {
      it("is stored, and heard by everybody in the room exactly once", async () => {
        const { ann, room, a, b } = await couple();
        a.emit("message", { text: "  hello <b>you</b>  ", author: "mallory", nickname: "mallory", room: "general" });
        const common = { author: ann.nickname, room, text: "hello <b>you</b>", timestamp: aTime };
        const payload = { id: anId, ...common, status: "delivered", type: "public" };
        expect(await b.hears("message", ({ type }) => type === "public")).toStrictEqual(payload);
        expect(await a.hears("message", ({ type }) => type === "public")).toStrictEqual(payload);
        const entry = { id: anId, ...common, type: "public", target: null };
        expect((await a.join(room)).at(-1)).toStrictEqual(entry);
        expect(texts(b).filter((text) => text === "hello <b>you</b>")).toHaveLength(1);
        const stored = await db.collection("messages").findOne({ channel: room, type: "public" });
        expect(stored).toMatchObject({ author: ann.nickname, text: "hello <b>you</b>", target: null });
      });

      it("is ignored when blank or in no room, and refused when too long", async () => {
        const { room, a } = await couple();
        const ear = await (await town.person()).tab();
        ear.emit("message", { text: "into the void" });
        ear.emit("get_history");
        expect(await ear.hears("history")).toEqual([]);
        a.emit("message", { text: " \n\t " });
        a.emit("message", { text: "x".repeat(2_001) });
        expect(await a.hears("error")).toMatchObject({ code: "MESSAGE_TOO_LONG" });
        a.emit("message", { text: ` ${"y".repeat(2_000)} ` });
        await a.hears("message", ({ text }) => text === "y".repeat(2_000));
        expect(ear.all("error")).toEqual([]);
        expect(await db.collection("messages").countDocuments({ channel: room, type: "public" })).toBe(1);
        expect(await db.collection("messages").countDocuments({ text: "into the void" })).toBe(0);
      });

      it("is stored as it was heard, lone surrogates included", async () => {
        const { room, a } = await couple();
        a.emit("message", { text: "half \ud83d a pair" });
        const { text } = await a.hears("message", ({ type }) => type === "public");
        expect((await a.join(room)).at(-1)?.text).toBe(text);
      });

      it("keeps the order in which one socket sent", async () => {
        const { a, b } = await couple();
        const sent = Array.from({ length: 50 }, (_, i) => `line ${i}`);
        for (const text of sent) a.emit("message", { text });
        await b.hears("message", ({ text }) => text === "line 49");
        expect(
          b
            .all("message")
            .filter(({ type }) => type === "public")
            .map(({ text }) => text),
        ).toEqual(sent);
      });
    });

    describe("private_message", () => {
      it("reaches every socket of its target and the one that wrote it, and nobody else, not even in histories", async () => {
        const { ann, bob, room, a, b } = await couple();
        const [secondOfBob, secondOfAnn, third] = [await bob.tab(), await ann.tab(), await (await town.person()).tab()];
        await third.join(room);
        a.emit("private_message", { to: bob.nickname, text: " psst ", from: "mallory" });
        const common = { id: anId, author: ann.nickname, room, text: "psst", timestamp: aTime, type: "private" };
        const delivered = { ...common, target: bob.nickname, status: "delivered" };
        expect(await b.hears("private_message")).toStrictEqual(delivered);
        expect(await secondOfBob.hears("private_message")).toStrictEqual(delivered);
        expect(await a.hears("private_message")).toStrictEqual({ ...delivered, status: "sent" });
        const entry = { ...common, target: bob.nickname };
        expect((await a.join(room)).at(-1)).toStrictEqual(entry);
        expect((await b.join(room)).at(-1)).toStrictEqual(entry);
        await third.join(room);
        third.emit("message", { text: "psst?" });
        await third.hears("message", ({ text }) => text === "psst?");
        expect(JSON.stringify(third.heard)).not.toContain('"psst"');
        expect(secondOfAnn.all("private_message")).toEqual([]);
      });

      it("refuses in words what cannot be delivered", async () => {
        const { ann, bob, a } = await couple();
        const elsewhere = await town.person();
        await elsewhere.tab();
        const cases: [unknown, string][] = [
          [undefined, "INVALID_TARGET_NICKNAME"],
          [{ to: "", text: "x" }, "INVALID_TARGET_NICKNAME"],
          [{ to: ["x"], text: "x" }, "INVALID_TARGET_NICKNAME"],
          [{ to: "x".repeat(51), text: "x" }, "INVALID_TARGET_NICKNAME"],
          [{ to: ann.nickname, text: "x" }, "SELF_MESSAGE_NOT_ALLOWED"],
          [{ to: elsewhere.nickname, text: "x" }, "TARGET_USER_NOT_IN_ROOM"],
          [{ to: bob.nickname }, "PRIVATE_MESSAGE_FAILED"],
          [{ to: bob.nickname, text: "x".repeat(2_001) }, "MESSAGE_TOO_LONG"],
        ];
        for (const [payload, code] of cases) {
          a.forget();
          a.emit("private_message", payload);
          expect(await a.hears("error")).toMatchObject({ code, timestamp: aTime });
        }
        expect(await db.collection("messages").countDocuments({ type: "private", author: ann.nickname })).toBe(0);
      });
    });

    describe("presence", () => {
      it("lists a user with two tabs once, and says neither that the second came nor that it went", async () => {
        const { ann, bob, room, a, b } = await couple();
        const second = await bob.tab();
        await second.join(room);
        expect(lastList(second)?.toSorted()).toEqual([ann.nickname, bob.nickname].toSorted());
        second.close();
        b.emit("message", { text: "still here" });
        await a.hears("message", ({ text }) => text === "still here");
        await until(async () => (await userOf(bob))?.status === "online");
        expect(texts(a).filter((text) => text === `${bob.nickname} joined the channel.`)).toHaveLength(1);
      });

      it("says who left when the grace is over, and writes it to MongoDB", async () => {
        const { ann, bob, room, a, b } = await couple();
        await until(async () => (await userOf(bob))?.status === "online");
        const before = Date.now();
        b.close();
        const line = { author: "System", room, text: `${bob.nickname} left the channel.`, type: "system" };
        const payload = await a.hears("message", ({ text }) => text.endsWith("left the channel."));
        expect(payload).toStrictEqual({ id: anId, ...line, channel: room, timestamp: aTime });
        await until(() => lastList(a)?.join() === ann.nickname);
        await until(async () => (await userOf(bob))?.status === "offline");
        expect((await userOf(bob))?.lastActive.getTime()).toBeGreaterThanOrEqual(before - 1_000);
        expect((await a.join(room)).map(({ text }) => text)).toContain(line.text);
      });

      it("does not announce who comes back within the grace", async () => {
        const { bob, room, a, b } = await couple();
        b.close();
        const back = await bob.tab();
        await back.join(room);
        back.emit("message", { text: "reloaded" });
        await a.hears("message", ({ text }) => text === "reloaded");
        const lines = texts(a).filter((text) => text.startsWith(bob.nickname));
        expect(lines).toEqual([`${bob.nickname} joined the channel.`]);
      });

      it("counts a login as online for a while, although no socket follows", async () => {
        const person = await town.person();
        expect((await userOf(person))?.status).toBe("online");
        await until(async () => (await userOf(person))?.status === "offline");
      });
    });

    describe("speaking, liveness, voice", () => {
      it("tells the others in the room who speaks", async () => {
        const { ann, a, b } = await couple();
        a.emit("speaking", { speaking: true, nickname: "mallory" });
        expect(await b.hears("speaking")).toStrictEqual({ nickname: ann.nickname, speaking: true });
        expect(a.all("speaking")).toEqual([]);
      });

      it("takes heartbeats in silence", async () => {
        const { a } = await couple();
        a.forget();
        a.emit("heartbeat");
        a.emit("heartbeat_response", { anything: 1 });
        a.emit("get_history");
        await a.hears("history");
        expect(a.heard.map(({ event }) => event).filter((event) => event !== "online_users")).toEqual(["history"]);
      });

      it("joins and leaves voice channels, telling the others", async () => {
        const { ann, bob, room, a, b } = await couple();
        const channelId = await town.channel(ann, "voice");
        a.emit("leave_voice_channel");
        for (const wrong of [undefined, { channelId: room }, { channelId: "nowhere" }, { channelId: { $ne: 1 } }]) {
          a.forget();
          a.emit("join_voice_channel", wrong);
          expect(await a.hears("voice_error")).toMatchObject({ message: "Voice channel not found" });
        }
        a.emit("join_voice_channel", { channelId });
        expect(await a.hears("voice_joined")).toStrictEqual({ channelId });
        b.emit("join_voice_channel", { channelId });
        const peer = { nickname: bob.nickname, socketId: b.socket.id };
        expect(await a.hears("user_joined_voice")).toStrictEqual(peer);
        b.emit("leave_voice_channel");
        expect(await b.hears("voice_left")).toBeUndefined();
        expect(await a.hears("user_left_voice")).toStrictEqual(peer);
        a.forget();
        b.emit("join_voice_channel", { channelId });
        expect(await a.hears("user_joined_voice")).toStrictEqual(peer);
        b.close();
        expect(await a.hears("user_left_voice")).toStrictEqual(peer);
        expect(a.all("voice_left")).toEqual([]);
      });

      it("relays signals between members of one voice channel, and nothing else", async () => {
        const { ann, a, b } = await couple();
        const channelId = await town.channel(ann, "voice");
        const stranger = await (await town.person()).tab();
        for (const ear of [a, b]) {
          ear.emit("join_voice_channel", { channelId });
          await ear.hears("voice_joined");
        }
        const signals = { voice_offer: "offer", voice_answer: "answer", ice_candidate: "candidate" };
        const body = { type: "offer", sdp: "v=0" };
        for (const [event, key] of Object.entries(signals)) {
          for (const targetSocketId of [stranger.socket.id, b.socket.id])
            a.emit(event, { [key]: body, targetSocketId, from: "mallory", extra: 1 });
          stranger.emit(event, { [key]: body, targetSocketId: b.socket.id });
          const payload = { [key]: body, from: a.socket.id, fromNickname: ann.nickname };
          expect(await b.hears(event)).toStrictEqual(payload);
        }
        stranger.emit("get_history");
        await stranger.hears("history");
        expect(b.heard.filter(({ event }) => event in signals)).toHaveLength(3);
        expect(stranger.heard.filter(({ event }) => event in signals)).toEqual([]);
      });
    });

    describe("moderation", () => {
      async function moderated() {
        const found = await couple();
        const boss = await town.person("boss");
        await setUser(boss, { role: "admin" });
        const id = String((await userOf(found.bob))?._id);
        const order = (what: string, body: object = {}) =>
          boss.browser.post(`/api/admin/users/${id}/${what}`, body).then(({ status }) => expect(status).toBe(200));
        return { ...found, order };
      }

      it("mutes at once, and unmutes", async () => {
        const { ann, a, b, order } = await moderated();
        await order("mute", { duration: 600 });
        for (const [event, payload] of [
          ["message", { text: "muted" }],
          ["private_message", { to: ann.nickname, text: "muted" }],
        ] as const) {
          b.forget();
          b.emit(event, payload);
          const message = "You are muted and cannot send messages";
          expect(await b.hears("error")).toStrictEqual({ message, code: "USER_MUTED", timestamp: aTime });
        }
        await order("unmute");
        b.emit("message", { text: "loud again" });
        await a.hears("message", ({ text }) => text === "loud again");
        expect(JSON.stringify(a.heard)).not.toContain("muted");
      });

      it("sees a mute that was written by somebody else", async () => {
        const { bob, b } = await couple();
        await setUser(bob, { muteExpires: new Date(Date.now() + 60_000) });
        await until(async () => {
          b.emit("message", { text: "still?" });
          return b.all("error").some(({ code }) => code === "USER_MUTED");
        });
      });

      it("tells a banned user so, cuts the sockets, and lets none back in", async () => {
        const { bob, b, order } = await moderated();
        await order("ban", { reason: "rude" });
        expect(await b.hears("banned")).toMatchObject({ reason: "rude", expires: null });
        await b.hears("disconnect");
        const events = b.heard.map(({ event }) => event);
        expect(events.indexOf("banned")).toBeLessThan(events.indexOf("disconnect"));
        expect(await open(town.ear(credentialsOf(bob.browser)))).not.toBe("connected");
      });

      it("shows a new role to everybody in the room", async () => {
        const { bob, a, order } = await moderated();
        await order("role", { role: "moderator" });
        await a.hears("online_users", (list) =>
          list.some(
            (one: { nickname: string; role: string }) => one.nickname === bob.nickname && one.role === "moderator",
          ),
        );
      });

      it("cuts one user's sockets at logout, of all browsers, and says how many", async () => {
        const { bob, a, b } = await couple();
        const other = await town.again(bob);
        const ear = await other.tab();
        const { body } = await bob.browser.post("/api/logout");
        expect(body).toMatchObject({ success: true, disconnectedCount: 2 });
        await Promise.all([b.hears("disconnect"), ear.hears("disconnect")]);
        expect(a.all("disconnect")).toEqual([]);
        await until(async () => (await userOf(bob))?.status === "offline");
      });
    });

    describe("the room of a session", () => {
      it("is joined again by a client that was sent away and only reconnects", async () => {
        const { ann, bob, room, a, b } = await couple();
        // A logout in another browser sends this one away too, but its session lives.
        const other = await town.again(bob);
        await other.browser.post("/api/logout");
        expect(await b.hears("disconnect")).toBe("io server disconnect");
        a.emit("message", { text: "while you were away" });
        await a.hears("message", ({ text }) => text === "while you were away");
        b.forget();
        b.socket.connect();
        const history = await b.hears("history");
        const events = b.heard.map(({ event }) => event);
        expect(events[1]).toBe("online_users");
        // The list of the whole room may follow at any time.
        expect(events.filter((event) => event !== "online_users")).toEqual(["connect", "history"]);
        expect(history.at(-1)).toMatchObject({ text: "while you were away" });
        a.emit("message", { text: "welcome back" });
        await b.hears("message", ({ text }) => text === "welcome back");
        await b.join(room);
        const lines = (await a.join(room)).filter(({ type }) => type === "system").map(({ text }) => text);
        expect(lines).toEqual([ann, bob].map(({ nickname }) => `${nickname} joined the channel.`));
      });

      it("is joined again after a while by any client that does not join by itself", async () => {
        const { room, bob, b } = await couple();
        b.close();
        const back = await bob.tab();
        expect((await back.hears("history")).at(-1)).toMatchObject({ room });
      });
    });

    it("stops within its time although people are connected, and sends them away in words", async () => {
      const { bob, a, b } = await couple();
      a.emit("message", { text: "last words" });
      await b.hears("message", ({ text }) => text === "last words");
      const asked = Date.now();
      expect(await chat.stop()).toBe(0);
      expect(Date.now() - asked).toBeLessThan(9_000);
      expect(await b.hears("disconnect")).toBe("io server disconnect");
      expect(await a.hears("disconnect")).toBe("io server disconnect");
      expect(await userOf(bob)).toMatchObject({ status: "offline" });
      expect(await db.collection("session_rooms").countDocuments({ sentAway: { $ne: null } })).toBeGreaterThan(0);
      chat = await startChat({ env: { MONGODB_URL: mongoUrl, ...grace, ...(await env()) } });
      expect((await createBrowser(chat.url).login(bob.nickname)).status).toBe(200);
    });
  });
}
