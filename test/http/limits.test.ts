import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { createBrowser } from "../support/http.ts";

const url = mongoUrl("limits");
let chat: Chat;
let user = 0;
beforeAll(async () => {
  chat = await startChat({
    env: {
      MONGODB_URL: url,
      DISABLE_REDIS: "true",
      RATE_LIMITS: "on",
      RATE_LIMIT_REGISTER: "4/10m",
      RATE_LIMIT_LOGIN: "12/10m",
      RATE_LIMIT_LOGIN_FAILURES: "3/10m",
      RATE_LIMIT_API: "30/10m",
      TRUST_PROXY: "1",
    },
  });
});
afterAll(async () => {
  await chat?.stop();
  await dropDatabase(url);
});

/** As if from another address, through one proxy. */
function from(address: string) {
  const browser = createBrowser(chat.url);
  const post = browser.post;
  browser.post = (path, body, headers) => post(path, body, { "X-Forwarded-For": address, ...headers });
  return browser;
}

describe("limits at the door", () => {
  it("count registrations per address, and say how many are left", async () => {
    const browser = from("10.0.0.1");
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const answer = await browser.register(`limited-${++user}`);
      statuses.push(answer.status);
      expect(answer.headers.get("ratelimit-limit")).toBe("4");
      expect(answer.headers.get("ratelimit-policy")).toBe("4;w=600");
      expect(answer.headers.get("ratelimit-remaining")).toBe(String(Math.max(0, 3 - i)));
      expect(Number(answer.headers.get("ratelimit-reset"))).toBeGreaterThan(0);
      if (answer.status === 429) {
        expect(answer.body).toMatchObject({ error: expect.any(String), message: answer.body.error });
        expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      }
    }
    expect(statuses).toEqual([201, 201, 201, 201, 429]);
    expect((await from("10.0.0.2").register(`limited-${++user}`)).status).toBe(201);
  });

  it("stop a guesser of one account, but not its owner elsewhere", async () => {
    await from("10.0.1.1").register("victim");
    const guesser = from("10.0.1.2");
    const guesses: number[] = [];
    for (let i = 0; i < 5; i++) guesses.push((await guesser.login("Victim".toLowerCase(), "wrong password")).status);
    expect(guesses).toEqual([400, 400, 400, 429, 429]);
    expect((await guesser.login("victim")).status).toBe(429);
    expect((await from("10.0.1.3").login("victim")).status).toBe(200);
  });

  it("stop many guesses at once, under whichever name of the account", async () => {
    await from("10.0.4.1").register("target");
    const guesser = from("10.0.4.2");
    const names = ["target", "target@example.com", "TARGET@example.com"];
    const guess = (name = "target") => guesser.login(name, "wrong password");
    const statuses = (await Promise.all([...names, ...names].map(guess))).map(({ status }) => status).sort();
    expect(statuses).toEqual([400, 400, 400, 429, 429, 429]);
  });

  it("count a whole IPv6 network as one address", async () => {
    const statuses: number[] = [];
    for (let i = 1; i <= 5; i++) statuses.push((await from(`2001:db8:1:2::${i}`).register(`six-${++user}`)).status);
    expect(statuses).toEqual([201, 201, 201, 201, 429]);
    expect((await from("2001:db8:1:3::1").register(`six-${++user}`)).status).toBe(201);
  });

  it("forget the failures of who gets it right", async () => {
    await from("10.0.2.1").register("clumsy");
    const clumsy = from("10.0.2.2");
    for (let round = 0; round < 2; round++) {
      expect((await clumsy.login("clumsy", "wrong password")).status).toBe(400);
      expect((await clumsy.login("clumsy", "wrong password")).status).toBe(400);
      expect((await clumsy.login("clumsy")).status).toBe(200);
    }
  });

  it("count requests per user, whatever address they come from; health is never counted", async () => {
    const browser = from("10.0.3.1");
    await browser.register("busy");
    const statuses: number[] = [];
    for (let i = 0; i < 32; i++)
      statuses.push((await browser.get("/api/channels", { "X-Forwarded-For": `10.9.0.${i}` })).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(30);
    expect(statuses.slice(-2)).toEqual([429, 429]);
    const other = from("10.0.3.1");
    await other.register("calm");
    expect((await other.get("/api/channels")).status).toBe(200);
    for (let i = 0; i < 40; i++) expect((await browser.get("/health")).status).toBe(200);
  });
});
