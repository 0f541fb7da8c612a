import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { patient } from "../support/door.ts";
import { type Browser, createBrowser } from "../support/http.ts";
import { startMongod } from "../support/mongod.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const [full, read] = ["a token that changes things", "a token that only looks"];
const secrets = { JWT_SECRET: "j".repeat(48), SESSION_SECRET: "s".repeat(48) };

/** What the page of that server sends with everything. */
const fromPage = (url: string) => ({ Origin: url, "X-Sluice-Console": "1" });

async function enter(url: string, token: string): Promise<Browser> {
  const browser = createBrowser(url);
  const { status } = await browser.post("/ops/api/login", { token }, fromPage(url));
  expect(status).toBe(200);
  return browser;
}

// biome-ignore lint/suspicious/noExplicitAny: an answer's body is what a test is there to find out
async function* statesOf({ cookie }: Browser, url: string): AsyncGenerator<any> {
  const stop = new AbortController();
  const response = await fetch(`${url}/ops/api/events`, { headers: { cookie }, signal: stop.signal });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  let text = "";
  try {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) if (event.startsWith("data: ")) yield JSON.parse(event.slice(6));
    }
  } finally {
    stop.abort();
  }
}

describe("the console's API", () => {
  const mongo = mongoUrl("console");
  const chats: Chat[] = [];
  let redis: RedisServer;
  let url = "";
  let operator: Browser;
  const post = (path: string, body: object, headers: Record<string, string> = fromPage(url)) =>
    operator.post(`/ops/api/${path}`, body, headers);

  const changes = async () =>
    (await operator.get("/ops/api/history")).body.filter(
      ({ revision }: { revision: number | null }) => revision !== null,
    );

  async function start(env: Record<string, string>): Promise<Chat> {
    const own = { MONGODB_URL: mongo, REDIS_URL: redis.url, OPS_TOKEN: full, OPS_READ_TOKEN: read, ...secrets };
    const chat = await startChat({ env: { ...own, ...patient, INSTANCE_REPORT: "1s", ...env } });
    chats.push(chat);
    return chat;
  }

  beforeAll(async () => {
    redis = await startRedisServer();
    const one = await start({ SERVER_ID: "one", LOG_LEVEL: "info" });
    await start({ SERVER_ID: "two", LOG_LEVEL: "info" });
    url = one.url;
    operator = await enter(url, full);
  });
  afterAll(async () => {
    await Promise.all(chats.map((chat) => chat.stop()));
    await redis?.close();
    await dropDatabase(mongo);
  });

  /** Who is in, asked by somebody who may not do anything. */
  async function nobody(browser: Browser): Promise<object> {
    for (const { status, body } of [
      await browser.get("/ops/api/history"),
      await browser.post("/ops/api/kill", { on: true, reason: "no pass" }, fromPage(url)),
    ])
      expect([status, body.code]).toEqual([401, "NO_PASS"]);
    const { status, body, headers } = await browser.get("/ops/api/session");
    expect([status, headers.getSetCookie()]).toEqual([200, []]);
    return body;
  }

  it("gives who shows a token a cookie of its own, which no script, no other site and no other path sees", async () => {
    const browser = createBrowser(url);
    const wrong = await browser.post("/ops/api/login", { token: `${full}!` }, fromPage(url));
    expect([wrong.status, wrong.body.code, wrong.headers.getSetCookie()]).toEqual([401, "WRONG_TOKEN", []]);
    expect(await nobody(browser)).toEqual({ role: null });
    const right = await browser.post("/ops/api/login", { token: read }, fromPage(url));
    expect(right.body).toMatchObject({ role: "read" });
    expect(right.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^sluiceConsole=[\w.-]+; Path=\/ops; Expires=[^;]+; HttpOnly; SameSite=Strict$/),
    ]);
    expect((await browser.get("/ops/api/session")).body).toMatchObject({ role: "read" });
    await browser.post("/ops/api/logout", {}, fromPage(url));
    expect(await nobody(browser)).toEqual({ role: null });
  });

  it("obeys its own page alone", async () => {
    const kill = { on: true, reason: "an attack" };
    const own = fromPage(url);
    for (const headers of [
      { ...own, Origin: "http://evil.example" },
      { ...own, Origin: "null" },
      { ...own, "Sec-Fetch-Site": "cross-site" },
      { ...own, "Sec-Fetch-Site": "same-site" },
      { "X-Sluice-Console": "1" },
      { Origin: url },
    ]) {
      const { status, body } = await post("kill", kill, headers as Record<string, string>);
      expect([status, body.code]).toEqual([403, "FOREIGN_PAGE"]);
    }
    const asked = await operator.send("OPTIONS", "/ops/api/kill", {
      headers: { Origin: "http://localhost:3000", "Access-Control-Request-Method": "POST" },
    });
    expect(asked.headers.get("access-control-allow-origin")).toBeNull();
    expect((await operator.get("/ops/api/history")).body).toEqual([]);
  });

  it("sends its page with a policy that runs nothing but its own files", async () => {
    const page = await operator.get("/ops");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toBe(
      "default-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none';object-src 'none'",
    );
    expect(page.headers.get("x-frame-options")).toBe("DENY");
    for (const file of ["uplot.js", "uplot.css", "app.js", "style.css"])
      expect((await operator.get(`/ops/${file}`)).status).toBe(200);
    for (const path of ["/ops/../app.js", "/ops/nothing", "/ops/api/nothing"])
      expect((await operator.get(path)).body).not.toMatchObject({ role: expect.anything() });
    expect((await operator.get("/ops/nothing")).status).toBe(404);
  });

  it("lets who came with the other token look and do nothing", async () => {
    const reader = await enter(url, read);
    const changes = ["dial", "ramp", "ramp/abort", "kill", "cache", "cache/flush"];
    for (const path of [...changes, "verify", "backfill", "import", "stop"]) {
      const { status, body } = await reader.post(`/ops/api/${path}`, { on: true, reason: "?" }, fromPage(url));
      expect([path, status, body.code]).toEqual([path, 403, "READ_ONLY"]);
    }
    expect((await reader.get("/ops/api/history")).body).toEqual([]);
    expect((await createBrowser(url).get("/ops/api/history")).status).toBe(401);
    expect((await createBrowser(url).get("/ops/api/events")).status).toBe(401);
  });

  it("tells every second how all servers are, and what they do together", { timeout: 60_000 }, async () => {
    const guest = createBrowser(chats[1]?.url ?? "");
    await guest.register("Guest");
    let state: Awaited<ReturnType<ReturnType<typeof statesOf>["next"]>>["value"];
    let read = 0;
    for await (state of statesOf(operator, url)) {
      await guest.get("/api/users");
      read = Math.max(read, state.point.cacheReads ?? 0);
      if (read > 0 && state.converged && state.instances.length === 2) break;
    }
    expect(state.server.id).toBe("one");
    expect(state.instances.map(({ serverId }: { serverId: string }) => serverId)).toEqual(["one", "two"]);
    expect(state.settings).toMatchObject({ revision: 0, redisDisabled: false, disabledBy: null });
    expect(state.caches.map(({ name }: { name: string }) => name)).toEqual([
      "users",
      "channels",
      "messages",
      "whispers",
      "emoji",
    ]);
    expect(state.liveSessions).toBeGreaterThan(0);
    expect(JSON.stringify(state)).not.toMatch(/mongodb:|redis:\/\//);
  });

  it("explains what Redis holds of a cache, to a reader as well, and throws it away", async () => {
    const reader = await enter(url, read);
    const explained = async () => (await reader.get("/ops/api/cache?name=users")).body;
    const told = await until(async () => {
      await operator.get("/api/users");
      const now = await explained();
      return now.entries > 0 && now;
    });
    expect(told).toMatchObject({ key: "cache:users:list", type: "zset", state: expect.any(String) });
    const { status, body } = await post("cache/flush", { name: "users", reason: "a doubt" });
    expect([status, body]).toEqual([200, { keys: expect.any(Number), epoch: expect.any(Number) }]);
    expect(body.keys).toBeGreaterThan(0);
    const [line, ...others] = (await reader.get("/ops/api/history")).body;
    const act = {
      what: "cache flush users",
      ended: expect.any(String),
      outcome: `keys ${body.keys}, epoch ${body.epoch}`,
    };
    expect([line, others]).toMatchObject([{ revision: null, who: "console at 127.0.0.1", why: "a doubt", act }, []]);
    const logged = /"audit":"act".*By console at 127\.0\.0\.1: cache flush users: keys \d+, epoch \d+/;
    await until(() => logged.test(chats[0]?.output() ?? ""));
    for (const path of ["cache?name=cellar", `cache?name=users&key=${"x".repeat(201)}`])
      expect((await operator.get(`/ops/api/${path}`)).status).toBe(400);
  });

  it("refuses what cannot be meant", async () => {
    for (const [path, body, words] of [
      ["dial", { percent: 101, reason: "?", revision: 0 }, /percent/],
      ["dial", { percent: 10, reason: " ", revision: 0 }, /reason/],
      ["dial", { percent: 10, reason: "?" }, /revision/],
      ["ramp", { to: 50, step: 0, everyMs: 1_000, reason: "?", revision: 0 }, /step/],
      ["cache", { name: "cellar", on: true, reason: "?", revision: 0 }, /There is no cache "cellar"/],
      ["kill", { on: "yes", reason: "?" }, /on/],
      ["cache/flush", { name: "users" }, /reason/],
      ["cache/flush", { reason: " " }, /reason/],
      ["import", {}, /reason: sessions end by it: say why/],
    ] as const) {
      const { status, body: answer } = await post(path, body);
      expect([status, answer.code]).toEqual([400, "WRONG_REQUEST"]);
      expect(answer.message).toMatch(words);
    }
    expect((await changes()).length).toBe(0);
  });

  it("lets one change stand on what was seen, and tells the others who was faster", async () => {
    const turned = await Promise.all(
      [5, 10].map((percent) => post("dial", { percent, reason: `to ${percent}`, revision: 0 })),
    );
    expect(turned.map(({ status }) => status).sort()).toEqual([200, 409]);
    const late = turned.find(({ status }) => status === 409)?.body;
    expect(late).toMatchObject({ code: "CHANGED_MEANWHILE", changes: [{ revision: 1, who: "console at 127.0.0.1" }] });
    expect(late.message).toMatch(/^console at 127\.0\.0\.1 was faster \(“to \d+”\)/);
    const other = await enter(chats[1]?.url ?? "", full);
    const onOther = { Origin: chats[1]?.url ?? "", "X-Sluice-Console": "1" };
    const next = await post("dial", { percent: 20, reason: "here", revision: 1 });
    expect(next.body).toMatchObject({ revision: 2, changed: true, after: { percent: 20 } });
    // That server need not have heard of revision 2 yet.
    const there = await other.post("/ops/api/dial", { percent: 30, reason: "there", revision: 2 }, onOther);
    expect(there.body).toMatchObject({ revision: 3, after: { percent: 30 } });
    const history = await operator.get("/ops/api/history");
    expect(history.body.map(({ why }: { why: string }) => why).slice(0, 2)).toEqual(["there", "here"]);
    await until(() =>
      /"audit":"settings".*By console at 127\.0\.0\.1: the sessions' dial stands at 30 %/.test(
        chats[0]?.output() ?? "",
      ),
    );
  });

  it("keeps what changes no setting beside the changes, in the history and in the log of every server", async () => {
    const job = async () => {
      for await (const { job } of statesOf(operator, url)) if (job?.ended) return job;
    };
    expect((await post("backfill", {})).status).toBe(202);
    expect(await job()).toMatchObject({ kind: "backfill", who: "console at 127.0.0.1", problem: null });
    expect((await post("import", { dryRun: true })).status).toBe(202);
    expect(await job()).toMatchObject({ kind: "import", problem: null });
    expect((await post("import", { reason: "they come over" })).status).toBe(202);
    expect(await job()).toMatchObject({ kind: "import", problem: null });
    const env = { MONGODB_URL: mongo, REDIS_URL: redis.url };
    expect(await atDesk(["cache", "flush", "--reason", "all of it", "--who", "ann"], env)).toMatchObject({ code: 0 });
    const lines = (await operator.get("/ops/api/history")).body.slice(0, 4);
    expect(lines).toMatchObject([
      { revision: null, who: "ann", why: "all of it", act: { what: "cache flush" } },
      { revision: null, who: "console at 127.0.0.1", why: "they come over", act: { what: "sessions import" } },
      { revision: null, who: "console at 127.0.0.1", why: "", act: { what: "sessions backfill" } },
      { revision: 3, why: "there" },
    ]);
    const logged = /"audit":"act".*"why":"all of it".*By ann: cache flush: .*epoch \d+/;
    await until(() => chats.every((chat) => logged.test(chat.output())), { timeoutMs: 30_000 });
  });

  it("turns the kill switch whatever else has been changed", async () => {
    const { status, body } = await post("kill", { on: true, reason: "a drill" });
    expect([status, body.redisDisabled]).toEqual([200, true]);
    await until(async () => (await operator.get("/health/redis")).body.output?.includes("by the kill switch"));
    expect((await post("kill", { on: false, reason: "its end" })).status).toBe(200);
  });
});

describe("the console of a server", () => {
  const mongo = mongoUrl("console-start");
  const redisless = { MONGODB_URL: mongo, DISABLE_REDIS: "true" };
  const production = { ...redisless, ...secrets, NODE_ENV: "production", PASSWORD_COST: "10" };
  afterAll(() => dropDatabase(mongo));

  it("goes on telling what it knows while MongoDB gives no answer", { timeout: 60_000 }, async () => {
    const own = await startMongod();
    const chat = await startChat({ env: { ...redisless, ...secrets, MONGODB_URL: own.url, OPS_TOKEN: full } });
    try {
      const problems: (string | undefined)[] = [];
      for await (const { problem } of statesOf(await enter(chat.url, full), chat.url)) {
        problems.push(problem);
        if (problems.length === 2) own.freeze();
        if (problems.filter(Boolean).length === 5) own.thaw();
        if (problem === undefined && problems.includes("MongoDB gives no answer")) break;
      }
    } finally {
      own.thaw();
      await chat.stop();
      await own.remove();
    }
  });

  it("in production is not there without a token, and the log says why", async () => {
    const chat = await startChat({ env: production });
    try {
      const browser = createBrowser(chat.url);
      for (const path of ["/ops", "/ops/", "/OPS", "/ops/index.html", "/ops/app.js", "/ops/api/session", "/ops?x"])
        expect([path, (await browser.get(path)).status]).toEqual([path, 404]);
      expect(chat.output()).toMatch(/The console at \/ops is not served: OPS_TOKEN is not set/);
    } finally {
      await chat.stop();
    }
  });

  it("in production gives its cookie over TLS alone", async () => {
    const chat = await startChat({ env: { ...production, OPS_TOKEN: full } });
    try {
      const { headers } = await createBrowser(chat.url).post("/ops/api/login", { token: full }, fromPage(chat.url));
      expect(headers.getSetCookie()).toEqual([
        expect.stringMatching(/^__Secure-sluiceConsole=.*; HttpOnly; Secure; SameSite=Strict$/),
      ]);
      expect(headers.get("strict-transport-security")).toMatch(/max-age/);
      expect(chat.output()).not.toContain(full);
    } finally {
      await chat.stop();
    }
  });

  it("on one's own machine has a token of its own, told at the start, and counts wrong ones", async () => {
    const DATA_DIR = mkdtempSync(join(tmpdir(), "sluice-console-"));
    const chat = await startChat({ env: { ...redisless, ...secrets, DATA_DIR, RATE_LIMIT_CONSOLE: "3/15m" } });
    try {
      const told = /console: (http:\S+)\/ops#token=([0-9a-f]{64})/;
      const [, url, token = ""] = await until(() => told.exec(chat.output()));
      expect(url).toBe(chat.url);
      const browser = createBrowser(chat.url);
      const attempt = (shown: string) => browser.post("/ops/api/login", { token: shown }, fromPage(chat.url));
      await attempt("wrong");
      expect((await attempt(token)).status).toBe(200);
      const wrong = await Promise.all(["1", "2", "3", "4"].map(attempt));
      expect(wrong.map(({ status }) => status).sort()).toEqual([401, 401, 401, 429]);
      const locked = await attempt(token);
      expect(locked.status).toBe(429);
      expect(Number(locked.headers.get("retry-after"))).toBeGreaterThan(60);
      expect((await browser.get("/ops/api/session")).body).toMatchObject({ role: "full" });
    } finally {
      await chat.stop();
      rmSync(DATA_DIR, { recursive: true, force: true });
    }
  });
});
