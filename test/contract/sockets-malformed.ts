import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { openRawWebSocket } from "../support/raw-websocket.ts";
import { createTown, credentialsOf, type Ear, type Person, type Town } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const nested = (depth: number): unknown => {
  let value: unknown = "deep";
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

/** Anything but what is asked for. */
const nonsense: [name: string, payload: unknown[]][] = [
  ["nothing", []],
  ["null", [null]],
  ["a number", [7]],
  ["a text", ["text"]],
  ["true", [true]],
  ["an array", [["room", "general"]]],
  ["an empty object", [{}]],
  ["bytes", [Buffer.from([0xff, 0xfe, 0x00])]],
  ["many arguments", [1, 2, 3, {}, []]],
  ["a callback", [() => undefined]],
  ["a long text", ["x".repeat(1_048_576)]],
  ["a deep array", [nested(1_000)]],
];
const wrongValues: [name: string, value: unknown][] = [
  ["null", null],
  ["a number", 7],
  ["an array", ["general"]],
  ["an operator", { $ne: null }],
  ["code", { $where: "sleep(1000)" }],
  ["bytes", Buffer.from("general")],
  ["a deep object", nested(1_000)],
  ["a function's name", { toString: "x", trim: "y", length: 3 }],
];

interface Case {
  event: string;
  /** Fields that must be right. */
  fields: string[];
  /** What answers a malformed payload; absent: the event takes none, and ignores what comes. */
  answer?: string;
}

const cases: Case[] = [
  { event: "join_room", fields: ["room"], answer: "error" },
  { event: "message", fields: ["text"], answer: "error" },
  { event: "private_message", fields: ["to", "text"], answer: "error" },
  { event: "speaking", fields: ["speaking"], answer: "error" },
  { event: "join_voice_channel", fields: ["channelId"], answer: "voice_error" },
  { event: "voice_offer", fields: ["offer", "targetSocketId"], answer: "error" },
  { event: "voice_answer", fields: ["answer", "targetSocketId"], answer: "error" },
  { event: "ice_candidate", fields: ["candidate", "targetSocketId"], answer: "error" },
  { event: "get_history", fields: [] },
  { event: "heartbeat", fields: [] },
  { event: "heartbeat_response", fields: [] },
  { event: "leave_voice_channel", fields: [] },
  { event: "error", fields: [] },
  { event: "never_heard_of", fields: [] },
];

/** What no client should send and somebody will: an `error` or silence, never a crash, never a hang, never a write. */
export function malformedSocketInput(
  setting: string,
  mongoUrl: string,
  env: () => Promise<Record<string, string>>,
): void {
  describe(`malformed socket input, ${setting}`, () => {
    let chat: Chat;
    let town: Town;
    let mongo: mongoose.mongo.MongoClient;
    let person: Person;
    let room: string;
    let ear: Ear;

    beforeAll(async () => {
      mongo = await mongoose.mongo.MongoClient.connect(mongoUrl);
      chat = await startChat({ env: { MONGODB_URL: mongoUrl, ...(await env()) } });
      town = createTown(chat.url);
      person = await town.person();
      room = await town.channel(person);
      ear = await person.tab();
      await ear.join(room);
    });
    afterAll(async () => {
      town?.leave();
      await chat?.stop();
      await mongo?.db().dropDatabase();
      await mongo?.close();
    });

    const stored = () =>
      mongo
        .db()
        .collection("messages")
        .countDocuments({ type: { $ne: "system" } });

    /** The same socket and the same process still serve. */
    async function allIsWell(): Promise<void> {
      expect(chat.process.exitCode).toBeNull();
      await ear.join(room);
      expect(ear.socket.connected).toBe(true);
    }

    describe.each(cases)("$event", ({ event, fields, answer }) => {
      const wrong: [string, unknown[]][] = [
        ...nonsense,
        ...fields.flatMap((field) =>
          wrongValues.map(([name, value]): [string, unknown[]] => [`${name} as '${field}'`, [{ [field]: value }]]),
        ),
      ];

      it(`survives ${wrong.length} wrong payloads, and answers ${answer ? "each" : "none"}`, async () => {
        const before = await stored();
        ear.forget();
        for (const [, payload] of wrong) ear.emit(event, ...payload);
        if (answer)
          await until(() => ear.all(answer).length >= wrong.length, {
            describe: () => `${ear.all(answer).length} of ${wrong.length} answers`,
          });
        for (const payload of [...ear.all("error"), ...ear.all("voice_error")]) {
          expect(Object.keys(payload).filter((key) => !["message", "code", "timestamp"].includes(key))).toEqual([]);
          expect(payload.message).not.toMatch(/mongo|undefined|Cannot read|\bat \w+ \(/i);
        }
        if (!answer) expect(ear.all("error")).toEqual([]);
        await allIsWell();
        expect(await stored()).toBe(before);
      });
    });

    it("reads own properties only", async () => {
      const before = await stored();
      const raw = await joinedRaw();
      raw.send(`42["join_room",{"__proto__":{"room":"${room}"}}]`);
      await until(() => raw.received().includes("MISSING_ROOM"));
      raw.send(`42["join_room",{"room":"${room}"}]`);
      await until(() => raw.received().includes('42["history"'));
      raw.send('42["message",{"__proto__":{"text":"inherited"}}]');
      raw.send('42["message",{"constructor":{"prototype":{"text":"polluted"}}}]');
      await until(() => (raw.received().match(/INVALID_PAYLOAD/g) ?? []).length === 2);
      raw.close();
      expect(await stored()).toBe(before);
      await allIsWell();
    });

    it("never calls a client's acknowledgement", async () => {
      let called = 0;
      ear.emit("message", { text: "with a callback" }, () => called++);
      await ear.hears("message", ({ text }) => text === "with a callback");
      ear.emit("get_history", () => called++);
      await allIsWell();
      expect(called).toBe(0);
    });

    it("closes the socket that sends more than the limit, and no other", async () => {
      const other = await person.tab();
      other.emit("message", { text: "x".repeat(2_000_000) });
      await other.hears("disconnect");
      const polling = await person.tab({ transports: ["polling"] });
      polling.emit("message", { text: "x".repeat(2_000_000) });
      await polling.hears("disconnect");
      await allIsWell();
    });

    async function joinedRaw() {
      const { cookie, csrfToken } = credentialsOf(person.browser);
      const raw = await openRawWebSocket(chat.url, { Cookie: cookie });
      raw.send(`40${JSON.stringify({ csrfToken })}`);
      await until(() => raw.received().includes('40{"sid"'), { describe: () => JSON.stringify(raw.received()) });
      return raw;
    }

    it.each([
      ["invalid UTF-8", Buffer.concat([Buffer.from('42["message",{"text":"'), Buffer.from([0xc3, 0x28, 0xff])])],
      ["half a packet", Buffer.from('42["message",{"text":')],
      ["an unknown packet", Buffer.from("9")],
      ["a reserved event", Buffer.from('42["disconnect","now"]')],
      ["an event without a name", Buffer.from("42[]")],
      ["a binary packet without its bytes", Buffer.from('451-["message",{"_placeholder":true,"num":7}]')],
      ["another namespace", Buffer.from("40/admin,{}")],
      ["a connect packet of the wrong type", Buffer.from("40[1]")],
      [
        "an array as deep as a frame is long",
        Buffer.from(`42["message",{"text":${"[".repeat(30_000)}${"]".repeat(30_000)}}]`),
      ],
    ])("survives %s on the wire", async (_name, bytes) => {
      const raw = await joinedRaw();
      raw.send(bytes);
      raw.send('42["get_history"]');
      // It goes on, or it is closed: by a close frame, or at once.
      await until(() => raw.socket.readyState !== "open" || /\["history"|\x88/.test(raw.received()), {
        describe: () => JSON.stringify(raw.received().slice(-200)),
      });
      raw.close();
      await allIsWell();
    });

    it("takes a burst of 10,000 events of one socket while others go on", { timeout: 60_000 }, async () => {
      const other = await (await town.person()).tab();
      await other.join(room);
      ear.forget();
      for (let i = 0; i < 10_000; i++) ear.emit("message", { text: `burst ${i}` });
      other.emit("message", { text: "in the middle" });
      await other.hears("message", ({ text }) => text === "in the middle");
      const answered = () =>
        ear.all("error").length + ear.all("message").filter(({ text }) => /^burst/.test(text)).length;
      await until(() => answered() >= 10_000, { timeoutMs: 40_000, describe: () => `${answered()} of 10000` });
      expect(ear.all("error").filter(({ code }) => code === "RATE_LIMITED").length).toBeGreaterThan(0);
      await allIsWell();
    });
  });
}
