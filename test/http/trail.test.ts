import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createBrowser } from "../support/http.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("trail");
let chat: Chat;
beforeAll(async () => {
  chat = await startChat({ env: { MONGODB_URL: url, DISABLE_REDIS: "true", LOG_LEVEL: "info" } });
});
afterAll(async () => {
  await chat?.stop();
  await dropDatabase(url);
});

const lines = () =>
  chat
    .output()
    .split("\n")
    .filter((line) => line.includes('"audit":"account"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

it("who comes in, is refused, and leaves is a line in the log, without a secret or a session's id", async () => {
  const browser = createBrowser(chat.url);
  const { body } = await browser.register("ann");
  const { cookie, token } = browser;
  await browser.login("ann", "a wrong one");
  await browser.login("ann");
  await browser.post("/api/logout");
  await browser.get("/api/users");
  const told = await until(() => (lines().length >= 4 ? lines() : undefined), { describe: () => chat.output() });
  expect(told).toMatchObject([
    { what: "register", status: 201, user: body.user.id, msg: "register: done" },
    { what: "login", status: 400, user: body.user.id, msg: "login: refused" },
    { what: "login", status: 200, user: body.user.id, address: expect.stringMatching(/127\.0\.0\.1$/) },
    { what: "logout", status: 200, user: expect.stringContaining(body.user.id) },
  ]);
  const sid = decodeURIComponent(cookie.split("=")[1] ?? "").slice(2, 20);
  for (const secret of [token, sid, "a wrong one", body.session.id, body.session.csrfToken])
    expect(JSON.stringify(told)).not.toContain(secret);
});
