import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adviceOn } from "../../src/config/advice.ts";
import { loadConfig, readConfig } from "../../src/config/load.ts";
import { redact, veiled } from "../../src/config/redact.ts";
import { loadSecrets } from "../../src/config/secrets.ts";
import { settingsOf } from "../../src/config/shown.ts";
import { variables } from "../../src/config/variables.ts";

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
    [{ REQUEST_TIMEOUT: "50ms" }, 'REQUEST_TIMEOUT: got "50ms"; it takes a duration from 100ms to 1m, such as 250ms.'],
    [{ JWT_TTL: "100ms" }, 'JWT_TTL: got "100ms"; it takes a duration from 1s to 365d, such as 4s.'],
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

  it("lets sessions and their tokens live for a year, and nothing that a cache keeps", () => {
    const year = String(365 * 86_400);
    expect(loadConfig({ TTL_SESSIONS: year, JWT_TTL: "365d" })).toMatchObject({
      TTL_SESSIONS: 31_536_000,
      JWT_TTL: 31_536_000_000,
    });
    expect(() => loadConfig({ TTL_SESSIONS: "31536001" })).toThrow("a whole number from 1 to 31536000.");
    expect(() => loadConfig({ TTL_USERS: year })).toThrow("a whole number from 1 to 2592000.");
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

describe("what an operator sees of the configuration", () => {
  const shown = (env: Record<string, string>) => {
    const reading = readConfig(env);
    return Object.fromEntries(settingsOf(reading).map(({ name, value, from }) => [name, { value, from }]));
  };

  it("says what counts, where it comes from, and no secret", () => {
    const file = join(dir, "jwt");
    writeFileSync(file, "from-a-file\n");
    const settings = shown({
      PORT: "4000",
      MONGODB_URI: "mongodb://ann:p%40w@one:27017,two:27017/chat?replicaSet=rs&authMechanismProperties=TOKEN:geheim",
      REDIS_URL: "rediss://:p@w@redis.example:6380/2",
      JWT_SECRET_FILE: file,
    });
    expect(settings).toMatchObject({
      PORT: { value: "4000", from: "PORT" },
      HOST: { value: "127.0.0.1", from: "" },
      MONGODB_URL: { value: "mongodb://***@one:27017,two:27017/chat", from: "MONGODB_URI" },
      REDIS_URL: { value: "rediss://***@redis.example:6380/2", from: "REDIS_URL" },
      JWT_SECRET: { value: "***", from: "JWT_SECRET_FILE" },
      SESSION_SECRET: { value: "", from: "" },
    });
  });

  it.each([
    ["mongodb://u:p?w@host/db", "***"],
    ["redis://host:6379", "redis://host:6379"],
    ["redis://u:a/b@host:6379", "***"],
    ["no URL at all", "***"],
  ])("veils %s", (secret, as) => {
    expect(veiled(secret)).toBe(as);
  });

  it("names everything that is wrong at once", () => {
    expect(readConfig({ PORT: "x", HISTORY_LIMIT: "1", REDIS_URL: "geheim" }).errors).toEqual([
      expect.stringMatching(/^PORT: /),
      expect.stringMatching(/^REDIS_URL: got a value it cannot use/),
      expect.stringMatching(/^HISTORY_LIMIT: /),
    ]);
    expect(readConfig({ NODE_ENV: "production" }).errors).toHaveLength(3);
    const alone = { PORT: "x", JWT_SECRET_FILE: "/nowhere" };
    const together = { NODE_ENV: "production", PASSWORD_COST: "4", SESSION_COOKIE: "a b" };
    expect(readConfig({ ...alone, ...together }).errors.map((line) => line.split(":")[0])).toEqual([
      ...["PORT", "JWT_SECRET_FILE", "PASSWORD_COST", "SESSION_COOKIE", "SESSION_SECRET", "MONGODB_URL"],
    ]);
    expect(() => loadConfig({ PORT: "99999", TTL_USERS: "0" })).toThrow(/^PORT: .*\nTTL_USERS: .*$/);
  });

  it("keeps the prefix of a cookie only where browsers take it", () => {
    expect(loadConfig({ SESSION_COOKIE: "__Host-sid" }).SESSION_COOKIE).toBe("sid");
    expect(loadConfig({ ...production, SESSION_COOKIE: "__Host-sid" }).SESSION_COOKIE).toBe("__Host-sid");
    expect(() => loadConfig({ SESSION_COOKIE: "a b" })).toThrow('SESSION_COOKIE: got "a b"');
  });
});

describe("every secret", () => {
  const secrets = Object.entries(variables).filter(([, { secret }]) => secret);
  const example: Record<string, string> = { MONGODB_URL: "mongodb://u:p@db/chat", REDIS_URL: "redis://:p@redis:6379" };

  it.each(secrets)("may be given as a file: %s", (name, { aliases = [] }) => {
    const value = example[name] ?? "geheim";
    const file = join(dir, name);
    writeFileSync(file, `${value}\n`);
    for (const from of [name, ...aliases])
      expect(loadConfig({ [`${from}_FILE`]: file })).toMatchObject({ [name]: value });
    expect(loadConfig({ [`${name}_FILE`]: file, [name]: value.replace("p@", "q@") })).toMatchObject({
      [name]: value.replace("p@", "q@"),
    });
    writeFileSync(file, "\n");
    expect(() => loadConfig({ [`${name}_FILE`]: file })).toThrow(`${name}_FILE: "${file}" is empty`);
  });
});

describe("advice on a configuration", () => {
  const good = {
    ...production,
    JWT_SECRET: "j".repeat(64),
    SESSION_SECRET: "s".repeat(64),
    TRUST_PROXY: "1",
    SESSION_COOKIE: "__Host-sid",
    ALLOWED_ORIGINS: "https://chat.example",
    REDIS_URL: "rediss://redis:6379",
    OPS_TOKEN: "o".repeat(48),
  };
  const advice = (env: Record<string, string>) =>
    adviceOn(loadConfig(env), env).map(({ level, says }) => `${level}: ${says}`);

  it("has nothing against a good one, nor against the defaults", () => {
    expect(advice(good)).toEqual([]);
    expect(advice({})).toEqual([]);
  });

  it("says which variable was meant, and takes no others for misspelt", () => {
    const todo = (env: Record<string, string>) => adviceOn(loadConfig(env), env).map((one) => one.todo);
    expect(todo({ SESSION_REDIS_PERCENTAGE: "10" })).toEqual(["Was SESSION_REDIS_PERCENT meant?"]);
    expect(todo({ REDIS_HOSTNAME: "redis" })).toEqual(["Was REDIS_HOST meant?"]);
    expect(advice({ HOSTNAME: "box", REDIS_PORT_6379_TCP_ADDR: "10.0.0.1", MONGODB: "yes" })).toEqual([]);
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ ...good, TRUST_PROXY: "0" }, /^wrong: TRUST_PROXY is 0/],
    [{ ...good, JWT_SECRET: "short" }, /^wrong: JWT_SECRET is shorter/],
    [{ ...good, SESSION_SECRET: `${"s".repeat(64)},old` }, /^wrong: SESSION_SECRET is shorter/],
    [{ ...good, SESSION_SECRET: "j".repeat(64) }, /^wrong: .* are the same/],
    [{ ...good, RATE_LIMITS: "off" }, /^wrong: RATE_LIMITS is off/],
    [{ ...good, METRICS_PUBLIC: "true" }, /^wrong: METRICS_PUBLIC/],
    [{ ...good, OPS_TOKEN: "" }, /^advice: The console at \/ops is not served: OPS_TOKEN is not set/],
    [{ HOST: "0.0.0.0" }, /^advice: The console .* HOST=0\.0\.0\.0 lets other machines in/],
    [{ ...good, OPS_READ_TOKEN: "short" }, /^wrong: The console .* shorter than 16 characters/],
    [{ ...good, OPS_READ_TOKEN: good.OPS_TOKEN }, /^wrong: The console .* is the same as OPS_TOKEN/],
    [{ ...good, METRICS_TOKEN: good.OPS_TOKEN }, /^wrong: METRICS_TOKEN is also a token of the console/],
    [{ ...good, SESSION_COOKIE: "sid" }, /^advice: Any subdomain/],
    [{ ...good, ALLOWED_ORIGINS: "" }, /^advice: ALLOWED_ORIGINS is empty/],
    [{ ...good, REDIS_URL: "redis://redis:6379" }, /^advice: Redis is asked without a password/],
    [{ ...good, REDIS_URL: "" }, /^advice: No Redis is named/],
    [{ ...good, MONGODB_URL: "mongodb://db:27017" }, /^advice: MONGODB_URL names no database/],
    [{ ...good, REDIS_HOST: "other" }, /^advice: REDIS_URL, REDIS_HOST are all set; REDIS_URL counts/],
    [{ ...good, DISABLE_REDIS: "true" }, /^advice: DISABLE_REDIS/],
    [{ REDIS_WATCHDOG: "50ms" }, /^wrong: REDIS_WATCHDOG/],
    [{ REDIS_REQUEST_BUDGET: "50ms" }, /^wrong: REDIS_REQUEST_BUDGET/],
    [{ REQUEST_TIMEOUT: "3s" }, /^wrong: REQUEST_TIMEOUT \(3 s\)/],
    [{ DRAIN_TIME: "9s" }, /^wrong: DRAIN_TIME/],
    [{ PRESENCE_GRACE: "12s" }, /^wrong: PRESENCE_GRACE/],
    [{ JWT_TTL: "1h" }, /^advice: JWT_TTL and TTL_SESSIONS differ/],
    [{ REDIS_SENTINELS: "m@a:1" }, /^advice: REDIS_SENTINELS is not a variable/],
    [{ SESSION_REDIS_PERCENTAGE: "10" }, /^advice: SESSION_REDIS_PERCENTAGE is not a variable/],
    [{ REDIS_PASS: "geheim" }, /^advice: REDIS_PASS is not a variable/],
    [{ REDIS_PASSWORD: "geheim", REDIS_PORT: "6380" }, /^wrong: REDIS_PORT, REDIS_PASSWORD are set and no Redis is/],
    [{ ...good, REDIS_URL: "", REDIS_DB: "1" }, /^wrong: REDIS_DB is set and no Redis is named/],
    [{ PORT_FILE: "/run/port" }, /^wrong: PORT_FILE is not read/],
    [{ JWT_SECRET: "x", JWT_SECRET_FILE: "/nowhere" }, /^advice: JWT_SECRET and JWT_SECRET_FILE are both set/],
  ])("%o", (env, words) => {
    expect(advice(env)).toEqual([expect.stringMatching(words)]);
  });
});
