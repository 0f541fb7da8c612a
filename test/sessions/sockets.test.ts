import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { createEar, credentialsOf, type Ear, open } from "../support/sockets.ts";

const url = mongoUrl("session-sockets");
const client = new mongoose.mongo.MongoClient(url);
let here: Chat;
let there: Chat;
let serial = 0;

beforeAll(async () => {
  const env = { MONGODB_URL: url, DISABLE_REDIS: "true", JWT_SECRET: "j".repeat(32), SESSION_SECRET: "s".repeat(32) };
  here = await startChat({ env });
  there = await startChat({ env });
});
afterAll(async () => {
  await Promise.all([here?.stop(), there?.stop()]);
  await client.close();
  await dropDatabase(url);
});

async function connected(): Promise<{ nickname: string; browser: Browser; ear: Ear }> {
  const nickname = `holder-${++serial}`;
  const browser = createBrowser(here.url);
  await browser.register(nickname);
  const ear = createEar(here.url, credentialsOf(browser));
  expect(await open(ear)).toBe("connected");
  return { nickname, browser, ear };
}

describe("the sockets of a session that has ended elsewhere", () => {
  it("are cut when its user logs out at another instance", async () => {
    const { browser, ear } = await connected();
    const elsewhere = createBrowser(there.url);
    elsewhere.token = browser.token;
    expect((await elsewhere.post("/api/logout", {})).status).toBe(200);
    expect(await ear.hears("disconnect")).toBe("io server disconnect");
  });

  it("are cut when the session is deleted in MongoDB by whoever", async () => {
    const { nickname, ear } = await connected();
    const sessions = client.db().collection("sessions");
    const { deletedCount } = await sessions.deleteMany({ session: new RegExp(`"nickname":"${nickname}"`) });
    expect(deletedCount).toBe(1);
    expect(await ear.hears("disconnect")).toBe("io server disconnect");
  });

  it("live on when the same user logs in again and the handle goes over, until that session ends, too", async () => {
    const { nickname, browser, ear } = await connected();
    const again = createBrowser(there.url);
    again.cookie = browser.cookie;
    expect((await again.login(nickname)).status).toBe(200);
    await ear.join("general");
    ear.emit("message", { text: "still here" });
    await ear.hears("message", ({ text }) => text === "still here");
    expect(ear.all("disconnect")).toEqual([]);
    expect((await again.post("/api/logout_session", {})).body.sessionDestroyed).toBe(true);
    expect(await ear.hears("disconnect")).toBe("io server disconnect");
  });
});
