import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { redact } from "../../src/config/redact.ts";
import { loadSecrets } from "../../src/config/secrets.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-config-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const production = { NODE_ENV: "production", JWT_SECRET: "j", SESSION_SECRET: "s", MONGODB_URL: "mongodb://db/chat" };

describe("configuration", () => {
  it("has a default for everything and cannot be changed", () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ PORT: 3001, HOST: "127.0.0.1", HISTORY_LIMIT: 50, TTL_SESSIONS: 86_400 });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it.each([
    [{ PORT: "abc" }, 'PORT: got "abc"; it takes a whole number from 0 to 65535.'],
    [{ HISTORY_LIMIT: "51" }, 'HISTORY_LIMIT: got "51"; it takes a whole number from 20 to 50.'],
    [{ PASSWORD_COST: "4" }, 'PASSWORD_COST: got "4"; it takes 10 to 15 unless NODE_ENV=test.'],
    [
      { MONGODB_URI: "http://db" },
      "MONGODB_URI: got a value it cannot use; it takes a URL that starts with mongodb://",
    ],
    [{ REDIS_SENTINEL: "mymaster" }, 'REDIS_SENTINEL: got "mymaster"; it takes master@host:port'],
    [{ RATE_LIMIT_LOGIN: "lots" }, 'RATE_LIMIT_LOGIN: got "lots"; it takes a limit such as 20/15m'],
    [{ JWT_SECRET_FILE: "/nowhere/secret" }, 'JWT_SECRET_FILE: cannot read "/nowhere/secret"'],
    [{ ...production, JWT_SECRET: "" }, "JWT_SECRET: not set; it is required when NODE_ENV=production."],
    [{ ...production, MONGODB_URL: "" }, "MONGODB_URL: not set; it is required when NODE_ENV=production."],
  ])("refuses %o in one line that names the variable", (env, line) => {
    expect(() => loadConfig(env)).toThrow(line);
    try {
      loadConfig(env);
    } catch (error) {
      expect(String(error)).not.toContain("\n");
    }
  });

  it("understands both ways to write sentinels, limits and durations", () => {
    const hosts = [
      { host: "a", port: 26379 },
      { host: "b", port: 26380 },
    ];
    expect(loadConfig({ REDIS_SENTINEL: "m@a:26379,b:26380" }).REDIS_SENTINEL).toEqual({ name: "m", hosts });
    expect(loadConfig({ REDIS_SENTINEL: "m,a:26379,b:26380" }).REDIS_SENTINEL).toEqual({ name: "m", hosts });
    expect(loadConfig({ RATE_LIMIT_LOGIN: "3/2m" }).RATE_LIMIT_LOGIN).toEqual({ points: 3, seconds: 120 });
    expect(loadConfig({ PRESENCE_GRACE: "400ms" }).PRESENCE_GRACE).toBe(400);
  });

  it("takes secrets from files", () => {
    const file = join(dir, "mongo-url");
    writeFileSync(file, "mongodb://user:pw@db/chat\n");
    expect(loadConfig({ MONGODB_URL_FILE: file }).MONGODB_URL).toBe("mongodb://user:pw@db/chat");
  });

  it("takes credentials out of what is shown", () => {
    expect(redact("cannot reach redis://me:pw@host:6379/0")).toBe("cannot reach redis://***@host:6379/0");
  });

  it("makes secrets once, and keeps them over a restart", () => {
    const config = loadConfig({ DATA_DIR: join(dir, "data") });
    const first = loadSecrets(config);
    expect(first.jwt).toMatch(/^[0-9a-f]{64}$/);
    expect(loadSecrets(config)).toEqual(first);
    expect(loadSecrets(loadConfig({ ...production, SESSION_SECRET: "new,old" }))).toEqual({
      jwt: "j",
      session: ["new", "old"],
    });
  });
});
