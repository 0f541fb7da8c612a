import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { databasesLine } from "../../src/start-lines.ts";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { root } from "../support/files.ts";
import { startMongod } from "../support/mongod.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const mongo = mongoUrl("start");
afterAll(() => dropDatabase(mongo));

interface Line {
  level: number;
  msg: string;
}

const linesOf = (chat: Chat) => chat.output().trim().split("\n");
const asJson = (line: string): Line | string => {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return line;
  }
};
const logged = (chat: Chat) => linesOf(chat).map(asJson);
const warnings = (chat: Chat) =>
  logged(chat).flatMap((line) => (typeof line === "object" && line.level === 40 ? [line.msg] : []));

const production = {
  NODE_ENV: "production",
  PASSWORD_COST: "10",
  RATE_LIMITS: "on",
  DISABLE_REDIS: "true",
  MONGODB_URL: mongo,
};

describe("a start in production", () => {
  it("warns of each setting that locks people out, once, with what to do", async () => {
    const chat = await startChat({
      env: { ...production, JWT_SECRET: "short", SESSION_SECRET: "short", OPS_TOKEN: "short" },
    });
    try {
      expect(warnings(chat)).toEqual([
        expect.stringMatching(/^TRUST_PROXY is 0: .*, so nobody gets one\. Put a proxy .* TRUST_PROXY=1\.$/),
        "JWT_SECRET is shorter than 32 characters. Make one by: openssl rand -hex 32",
        "SESSION_SECRET is shorter than 32 characters. Make one by: openssl rand -hex 32",
        "JWT_SECRET and SESSION_SECRET are the same. Give each a secret of its own.",
        expect.stringMatching(/^Redis is switched off by DISABLE_REDIS/),
        expect.stringMatching(/^The console at \/ops is not served: OPS_TOKEN or OPS_READ_TOKEN is shorter than 16/),
      ]);
    } finally {
      await chat.stop();
    }
  });

  it("writes nothing but lines of JSON, and all that others wait for, however little is logged", async () => {
    const chat = await startChat({
      env: { ...production, LOG_LEVEL: "silent", JWT_SECRET: "j".repeat(32), SESSION_SECRET: "s".repeat(32) },
    });
    expect(await chat.stop()).toBe(0);
    expect(logged(chat)).toEqual(
      [
        "sluice is starting (production).",
        expect.stringMatching(/^MongoDB at \S+:\d+\/test-\S+, no Redis \(DISABLE_REDIS is set\)$/),
        expect.stringMatching(`^sluice is ready at ${chat.url} – health of Redis: ${chat.url}/health/redis `),
        "Stopping …",
      ].map((msg) => expect.objectContaining({ level: 30, msg })),
    );
  });
});

it("a start on a MongoDB without a replica set says once what that takes, and how to change it", async () => {
  const [mongod, redis] = await Promise.all([startMongod({ replicaSet: false }), startRedisServer()]);
  const sessions = { SESSION_REDIS_MODE: "serve", SESSION_REDIS_PERCENT: "100" };
  const chat = await startChat({
    env: { MONGODB_URL: mongod.url, REDIS_URL: redis.url, LOG_LEVEL: "debug", ...sessions },
  });
  try {
    const found = /The change stream of (\w+): no replica set/g;
    await until(() => new Set([...chat.output().matchAll(found)].map(([, name]) => name)).size > 2);
    expect(warnings(chat).filter((words) => words.includes("replica set"))).toEqual([
      expect.stringMatching(/^MongoDB is a single server without a replica set: .*--replSet rs0 .*rs\.initiate\(\)/),
    ]);
  } finally {
    await chat.stop();
    await redis.close();
    await mongod.remove();
  }
}, 60_000);

describe("which databases a start names", () => {
  it.each([
    [{}, "MongoDB at db:27017/chat, no Redis"],
    [{ MONGODB_URL: "mongodb://db:27017" }, "MongoDB at db:27017/test, no Redis"],
    [
      { MONGODB_URL: "mongodb://ann:s3cret@a:1,b:2/chat?replicaSet=rs0&authSource=admin" },
      "MongoDB at a:1,b:2/chat, no Redis",
    ],
    [{ MONGODB_URL: "mongodb+srv://ann:s3cret@cluster.example.com/chat" }, /^MongoDB at cluster\.example\.com\/chat, /],
    [{ MONGODB_URL: "mongodb://ann:s3?cret@db/chat" }, /^MongoDB at \*\*\*/],
    [{ REDIS_URL: "rediss://ann:s3cret@cache:6380/2" }, / Redis at cache:6380\/2$/],
    [{ REDIS_HOST: "cache", REDIS_PASSWORD: "s3cret" }, / Redis at cache:6379\/0$/],
    [{ REDIS_SENTINEL: "mymaster@a:1,b:2", REDIS_PASSWORD: "s3cret" }, / Redis at mymaster of the sentinels a:1, b:2$/],
    [{ REDIS_CLUSTER: "a:1,b:2", REDIS_PASSWORD: "s3cret" }, / Redis at a:1, b:2$/],
    [{ REDIS_HOST: "cache", DISABLE_REDIS: "true" }, / no Redis \(DISABLE_REDIS is set\)$/],
  ])("%j", (env, words) => {
    const line = databasesLine(loadConfig({ MONGODB_URL: "mongodb://db:27017/chat", ...env }));
    expect(line).toMatch(words);
    expect(line).not.toMatch(/s3|cret|ann/);
  });
});

it("a start with databases of its own prints a line by which the commands find them", async () => {
  const chat = await startChat({ env: {}, readyMs: 90_000 });
  try {
    const lines = linesOf(chat);
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}MongoDB at 127\.0\.0\.1:\d+\/sluice, /));
    const pasted = lines.find((line) => /^ *export /.test(line));
    expect(pasted).toMatch(/MONGODB_URL=/);
    const { stdout } = await promisify(execFile)(
      "sh",
      ["-c", `${pasted}\nexec "$0" dist/src/cli.js status`, process.execPath],
      {
        cwd: root,
        env: { PATH: process.env.PATH },
      },
    );
    expect(stdout).toMatch(/sluice|dial/i);
  } finally {
    await chat.stop();
  }
}, 120_000);
