import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { long } from "../support/long.ts";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { until } from "../support/until.ts";

let mongo: OwnMongod;
let chat: Chat;
let browser: Browser;

beforeAll(async () => {
  mongo = await startMongod();
  chat = await startChat({ env: { MONGODB_URL: mongo.url, DISABLE_REDIS: "true" } });
  browser = createBrowser(chat.url);
  await browser.register("patient");
});
afterAll(async () => {
  await chat?.stop();
  await mongo?.remove();
});

/** The promise is 5 s; the rest is for a busy machine. */
const TOLD_WITHIN_MS = 5_000 + (long ? 0 : 5_000);

/** Every kind of request at once; each must be told in time that it cannot be served, and none that its token is dead. */
async function everythingAnswers503(): Promise<void> {
  const started = Date.now();
  const answers = await Promise.all([
    browser.get("/api/channels"),
    browser.get("/api/users"),
    browser.get("/api/channels/general/messages"),
    browser.post("/api/channels", { name: "never", type: "text" }),
    createBrowser(chat.url).register("newcomer"),
    createBrowser(chat.url).login("patient"),
  ]);
  expect(Date.now() - started).toBeLessThan(TOLD_WITHIN_MS);
  for (const answer of answers) {
    expect(answer.status, chat.output()).toBe(503);
    expect(answer.body).toMatchObject({ code: "UNAVAILABLE", message: answer.body.error });
  }
}

describe("a MongoDB that does not serve", () => {
  it("frozen: 503 within 5 s, health at once, and all is well when it thaws", { timeout: 60_000 }, async () => {
    mongo.freeze();
    try {
      await everythingAnswers503();
      const [channels, health] = [browser.get("/api/channels"), browser.get("/health")];
      expect((await Promise.race([channels, health])).status).toBe(200);
      expect((await channels).status).toBe(503);
    } finally {
      mongo.thaw();
    }
    await until(async () => (await browser.get("/api/channels")).status === 200, {
      timeoutMs: 15_000,
      describe: "channels after the thaw",
    });
  });

  it("gone: 503 within 5 s, and the same process serves again when it is back", { timeout: 60_000 }, async () => {
    await mongo.kill();
    await everythingAnswers503();
    await mongo.start();
    await until(async () => (await browser.get("/api/channels")).status === 200, {
      timeoutMs: 15_000,
      describe: "channels after the restart",
    });
    const names = (await browser.get("/api/channels")).body.map((channel: { name: string }) => channel.name);
    expect(names).not.toContain("never");
  });
});
