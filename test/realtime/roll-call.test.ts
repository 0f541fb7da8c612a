import { Types } from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type OpenedDoor, openDoor } from "../support/door.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("roll-call");
let opened: OpenedDoor;
let chat: Assembly;

beforeAll(async () => {
  opened = openDoor({ REDIS_URL: "redis://127.0.0.1:1", DISABLE_REDIS: "true" });
  chat = await assemble({ mongoUrl: url, door: opened.door });
});
afterAll(async () => {
  await chat?.close();
  await opened?.close();
  await dropDatabase(url);
});

async function person(nickname: string, handle?: null) {
  const user = await chat.user(nickname);
  const session = await chat.session(user, handle);
  const ear = await chat.tab(session);
  await ear.join("general");
  return { user, session, ear, _id: new Types.ObjectId(user.id) };
}

it("what was done to users while the stream had lost its place is carried out", async () => {
  const [banned, raised, spared] = [await person("banned"), await person("raised"), await person("spared")];
  const [veteran, leaver] = [await person("veteran", null), await person("leaver")];
  const elsewhere = await chat.tab(await chat.session(leaver.user));
  await until(() => chat.realtime.streams.get("users")?.live);

  const { db } = chat;
  const now = new Date();
  // Nobody is told of what happens to a collection under another name.
  await db.renameCollection("users", "users_elsewhere");
  await db
    .collection("users_elsewhere")
    .bulkWrite([
      { updateOne: { filter: { _id: banned._id }, update: { $set: { banned: true, banReason: "rude" } } } },
      { updateOne: { filter: { _id: raised._id }, update: { $set: { role: "moderator" } } } },
      { updateOne: { filter: { _id: veteran._id }, update: { $set: { sessionsEndedAt: now } } } },
    ]);
  await db.collection<{ _id: string }>("sessions").deleteOne({ _id: leaver.session.sid });
  await db.renameCollection("users_elsewhere", "users");

  expect(await banned.ear.hears("banned")).toEqual({ message: "Account is banned", reason: "rude", expires: null });
  for (const { ear } of [banned, veteran, leaver]) expect(await ear.hears("disconnect")).toBe("io server disconnect");
  await spared.ear.hears("online_users", (list: { nickname: string; role: string }[]) =>
    list.some(({ nickname, role }) => nickname === "raised" && role === "moderator"),
  );
  await until(() => chat.realtime.streams.get("users")?.live);
  expect(chat.log.said("warn", /stream of users: history lost/)).not.toEqual([]);
  for (const ear of [raised.ear, spared.ear, elsewhere]) expect(ear.socket.connected).toBe(true);
}, 60_000);
