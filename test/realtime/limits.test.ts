import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createTown, type Town } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const url = mongoUrl("event-limits");
let chat: Chat;
let town: Town;

beforeAll(async () => {
  const limits = { RATE_LIMITS: "on", RATE_LIMIT_EVENTS: "10/60s", RATE_LIMIT_API: "1000/15m" };
  chat = await startChat({ env: { MONGODB_URL: url, DISABLE_REDIS: "true", ...limits } });
  town = createTown(chat.url);
});
afterAll(async () => {
  town?.leave();
  await chat?.stop();
  await dropDatabase(url);
});

it("drops what one user sends too much of, over all tabs, and counts neither heartbeats nor voice signals", async () => {
  const [ann, bob] = [await town.person("ann"), await town.person("bob")];
  const [a, second, b] = [await ann.tab(), await ann.tab(), await bob.tab()];
  await a.join("general");
  await second.join("general");
  await b.join("general");
  for (let i = 0; i < 200; i++) {
    a.emit("heartbeat");
    a.emit("ice_candidate", { candidate: null, targetSocketId: b.socket.id });
  }
  for (let i = 0; i < 12; i++) (i % 2 ? a : second).emit("message", { text: `line ${i}` });
  await until(() => a.all("error").length + second.all("error").length === 4);
  for (const error of [...a.all("error"), ...second.all("error")])
    expect(error).toMatchObject({ code: "RATE_LIMITED", message: "Too many events, please slow down" });
  const heard = () => b.all("message").filter(({ type }) => type === "public").length;
  await until(() => heard() === 8, { describe: heard });
  b.emit("message", { text: "not me" });
  await b.hears("message", ({ text }) => text === "not me");
  expect(heard()).toBe(9);
  expect(a.socket.connected).toBe(true);
});
