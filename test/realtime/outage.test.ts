import { afterAll, beforeAll, expect, it } from "vitest";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { createEar, type Ear, open } from "../support/sockets.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

let mongod: OwnMongod;
let chat: Assembly;
let ear: Ear;
let credentials: Awaited<ReturnType<Assembly["session"]>>;
let userId: string;

beforeAll(async () => {
  mongod = await startMongod();
  chat = await assemble({ mongoUrl: mongod.url });
  const user = await chat.user("patient");
  userId = user.id;
  credentials = await chat.session(user);
  ear = await chat.tab(credentials);
  await ear.join("general");
});
afterAll(async () => {
  await chat?.close();
  await mongod?.remove();
});

/** Each must be told within 5 s, and not by a cut. */
async function everythingFailsInWords(): Promise<void> {
  ear.forget();
  const tookMs = stopwatch();
  ear.emit("message", { text: "lost?" });
  ear.emit("private_message", { to: "nobody", text: "lost?" });
  ear.emit("get_history");
  ear.emit("join_room", { room: "voice-chat" });
  ear.emit("join_voice_channel", { channelId: "voice-chat" });
  const newcomer = createEar(chat.url, credentials);
  const refused = await open(newcomer);
  newcomer.close();
  await until(() => ear.all("error").length === 4 && ear.all("voice_error").length === 1, {
    describe: () => ear.heard,
  });
  expect(tookMs()).toBeLessThan(5_000);
  expect(refused).toBe("Socket authentication failed");
  const told = ear.all("error").map(({ message }) => message);
  expect(told.sort()).toEqual([
    "Failed to join room",
    "Failed to load message history",
    "Failed to send message",
    "Failed to send private message",
  ]);
  expect(ear.all("voice_error")[0]).toMatchObject({ message: "Failed to join voice channel" });
  expect(ear.socket.connected).toBe(true);
}

async function allIsWell(text: string): Promise<void> {
  await until(async () => {
    ear.emit("message", { text });
    return ear.all("message").some((message) => message.text === text);
  });
  await ear.join("general");
  await until(async () => (await chat.services.users.byNickname("patient"))?.status === "online");
}

it("a MongoDB that freezes is an error within 5 s for every event, and no more than that", async () => {
  mongod.freeze();
  try {
    await everythingFailsInWords();
  } finally {
    mongod.thaw();
  }
  await allIsWell("thawed");
});

it("a MongoDB that dies likewise; status changes of that time are written when it is back", async () => {
  await mongod.kill();
  await everythingFailsInWords();
  ear.close();
  await until(() => chat.log.said("warn", /User status cannot be written/).length > 0);
  await mongod.start();
  await until(async () => (await chat.services.users.standing(userId)) !== null, { timeoutMs: 15_000 });
  await until(async () => (await chat.services.users.byNickname("patient"))?.status === "offline", {
    timeoutMs: 15_000,
  });
  ear = await chat.tab(credentials);
  await ear.join("general");
  await allIsWell("back");
  expect(chat.log.said("warn", /A socket's event failed/).length).toBeLessThan(15);
});
