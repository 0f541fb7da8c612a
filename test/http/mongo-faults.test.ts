import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEmbeddedMongo } from "../../src/embedded/mongo.ts";
import { defaultCacheDir } from "../../src/embedded/options.ts";
import { type Chat, startChat } from "../support/chat.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { until } from "../support/until.ts";

type Embedded = Awaited<ReturnType<typeof startEmbeddedMongo>>;

const dir = mkdtempSync(join(tmpdir(), "sluice-mongo-faults-"));
const silent = { debug() {}, info() {}, warn() {}, error() {} };
let mongo: Embedded;
let chat: Chat;
let browser: Browser;

const startMongo = () =>
  startEmbeddedMongo({
    dataDir: dir,
    cacheDir: defaultCacheDir(process.env.XDG_CACHE_HOME, homedir()),
    searchPath: process.env.PATH ?? "",
    systemBinary: process.env.MONGOMS_SYSTEM_BINARY ?? "",
    downloadTimeoutMs: 60_000,
    log: silent,
    say() {},
  });

beforeAll(async () => {
  mongo = await startMongo();
  chat = await startChat({ env: { MONGODB_URL: mongo.url, DISABLE_REDIS: "true" } });
  browser = createBrowser(chat.url);
  await browser.register("patient");
});
afterAll(async () => {
  await chat?.stop();
  await mongo?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Every kind of request at once; each must be told within 5 s that it cannot be served, and none that its token is dead. */
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
  expect(Date.now() - started).toBeLessThan(5_000);
  for (const answer of answers) {
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ code: "UNAVAILABLE", message: answer.body.error });
  }
}

describe("a MongoDB that does not serve", () => {
  it("frozen: 503 within 5 s, health at once, and all is well when it thaws", async () => {
    process.kill(mongo.pid, "SIGSTOP");
    try {
      await everythingAnswers503();
      const asked = Date.now();
      expect((await browser.get("/health")).status).toBe(200);
      expect(Date.now() - asked).toBeLessThan(1_000);
    } finally {
      process.kill(mongo.pid, "SIGCONT");
    }
    await until(async () => (await browser.get("/api/channels")).status === 200, {
      describe: "channels after the thaw",
    });
  });

  it("gone: 503 within 5 s, and the same process serves again when it is back", async () => {
    await mongo.close();
    await everythingAnswers503();
    mongo = await startMongo();
    await until(async () => (await browser.get("/api/channels")).status === 200, {
      timeoutMs: 15_000,
      describe: "channels after the restart",
    });
    const names = (await browser.get("/api/channels")).body.map((channel: { name: string }) => channel.name);
    expect(names).not.toContain("never");
  });
});
