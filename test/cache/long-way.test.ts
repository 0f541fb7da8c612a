import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Response } from "express";
import { afterEach, describe, expect, it } from "vitest";
import { makeAnswer } from "../../src/cache/wire.ts";
import { createCounting } from "../../src/chat/hot/counting.ts";
import { createHot, type HotTarget } from "../../src/chat/hot/handler.ts";
import { createVerifiedTokens } from "../../src/chat/hot/verified.ts";
import { limited } from "../../src/chat/routes/limits.ts";
import type { Limiter } from "../../src/kernel/limiter.ts";
import { createRecorder } from "../support/recorder.ts";

const standing = {
  id: "u1",
  nickname: "ann",
  role: "member" as const,
  banned: false,
  muteExpires: null,
  endedBefore: null,
};
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server whose hot answers are `read`, and which answers everything else by the long way. */
async function start(read: HotTarget["read"], { limit = 100, patienceMs = 50 } = {}) {
  let used = 0;
  const consumed: number[] = [];
  const now = () => ({ allowed: used <= limit, limit, remaining: limit - used, resetSeconds: 60, windowSeconds: 60 });
  const limiter: Limiter = {
    async consume(_key, points = 1) {
      consumed.push(points);
      used += points;
      return now();
    },
    peek: async () => now(),
    forget: async () => {},
  };
  const verified = createVerifiedTokens({ heard: () => true, lifeMs: () => 60_000 });
  verified.keep("Bearer good", { caller: { standing }, until: Date.now() + 60_000 }, verified.mark());
  // Told by itself each time, as it is near a limit.
  const counting = createCounting({ limiter, everyMs: 60_000 });
  const began: number[] = [];
  const timer: Parameters<typeof createHot>[0]["timer"] = (_req, res, next) => {
    began.push(performance.now() - Number((res as unknown as Response).locals.began));
    next();
  };
  const app = express();
  app.use(timer as never);
  app.use(limited(limiter, () => "user:u1"));
  app.get("/api/users", (_req, res) => void res.json("the long way"));
  const next = app as unknown as Parameters<typeof createHot>[0]["next"];
  const handler = createHot({
    targetOf: (path) => (path === "/api/users" ? { route: path, read } : undefined),
    verified,
    counting,
    headers: () => [],
    timer,
    patienceMs,
    next,
    log: createRecorder(),
  });
  const server = await new Promise<Server>((done) => {
    const made = createServer(handler).listen(0, "127.0.0.1", () => done(made));
  });
  ends.push(
    () => counting.close(),
    () => server.close(),
    () => server.closeAllConnections(),
  );
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/users`;
  const ask = async () => {
    const response = await fetch(url, { headers: { Authorization: "Bearer good" } });
    return { status: response.status, body: (await response.json()) as unknown, headers: response.headers };
  };
  return { ask, consumed, began };
}

describe("a request that goes the long way after all", () => {
  it.each([
    ["because no answer came in time", () => new Promise<never>(() => {})],
    ["because none could be made", () => Promise.reject(new Error("no"))],
  ])("%s, is counted once, and timed from its beginning", async (_why, read) => {
    const { ask, consumed, began } = await start(read);
    const { status, body, headers } = await ask();
    expect([status, body]).toEqual([200, "the long way"]);
    expect(consumed).toEqual([1]);
    expect(headers.get("ratelimit-remaining")).toBe("99");
    expect(began).toHaveLength(1);
    expect(began[0]).toBeGreaterThanOrEqual(0);
  });

  it("because it is beyond the limit, is counted once, and told so", async () => {
    const value = await makeAnswer('"hot"');
    const { ask, consumed } = await start(() => ({ value, from: "l1" }), { limit: 2 });
    expect([await ask(), await ask()].map(({ body }) => body)).toEqual(["hot", "hot"]);
    expect((await ask()).status).toBe(429);
    expect(consumed).toEqual([1, 1, 1]);
  });
});

it("a hot answer is timed from its beginning", async () => {
  const value = await makeAnswer('"hot"');
  const { ask, began } = await start(
    () => new Promise((done) => setTimeout(() => done({ value, from: "redis" as const }), 20)),
    { patienceMs: 10_000 },
  );
  expect((await ask()).body).toBe("hot");
  expect(began[0]).toBeGreaterThanOrEqual(15);
});
