import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plainLog } from "../../src/cli/desk.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { root } from "../support/files.ts";

const why = ["--reason", "a test"];
const nowhere = "redis://127.0.0.1:1";

describe("the operator's door at a database that no server has used", () => {
  const mongo = mongoUrl("cli-unused");
  const env = { MONGODB_URL: mongo, DISABLE_REDIS: "true" };
  const place = /the database "test-\w+-\d+-cli-unused" at \S+:\d+/.source;
  let client: mongoose.mongo.MongoClient;

  beforeAll(async () => {
    client = await mongoose.mongo.MongoClient.connect(mongo);
    await client.db().collection("orders").insertOne({ tea: 1 });
  });
  afterAll(async () => {
    await client?.close();
    await dropDatabase(mongo);
  });

  it.each([[["kill", "on"]], [["kill", "off", "--dry-run"]], [["dial", "set", "10"]], [["cache", "disable", "users"]]])(
    "changes nothing and names it: %s",
    async (args) => {
      const { code, text, aside } = await atDesk([...args, ...why], env);
      expect([code, text]).toEqual([1, ""]);
      expect(aside).toMatch(new RegExp(`^Nothing was changed: no server has ever used ${place}\\. Set MONGODB_URL to`));
      expect((await client.db().listCollections().toArray()).map(({ name }) => name)).toEqual(["orders"]);
    },
  );

  it("names it when it is asked how all stands", async () => {
    const status = await atDesk(["status"], env);
    expect(status.code).toBe(1);
    expect(status.text).toMatch(new RegExp(`^No server is running: none reports itself in ${place}\\.$`, "m"));
    const { text } = await atDesk(["doctor"], env);
    expect(text).toMatch(new RegExp(`^ {2}advice {2}No server reports itself in ${place}\\.$`, "m"));
  });

  it("does what it is told to all the same, and says who will follow", async () => {
    const { code, text } = await atDesk(["kill", "on", "--in-an-unused-database", ...why], env);
    expect(code).toBe(0);
    expect(text).toMatch(
      new RegExp(`^The kill switch is on\\.\nNo server is running: none reports itself in ${place}\\. The next one`),
    );
    expect((await atDesk(["kill", "off", ...why], env)).code).toBe(0);
  });
});

describe("the operator's door without Redis", () => {
  const mongo = mongoUrl("cli-no-redis");
  const env = { MONGODB_URL: mongo, REDIS_URL: nowhere };
  afterAll(() => dropDatabase(mongo));

  it("says so in sentences", async () => {
    const { aside, text } = await atDesk(["cache", "list"], env);
    expect(aside).toMatch(/^Warning: Redis at 127\.0\.0\.1:1 is out; going on without it \([^{}]+\)\n$/);
    expect(text).toMatch(/^Redis gives no answer \(down: .+\)\. Run this again when it does\.$/m);
  });

  it.each([[["sessions", "verify"]], [["sessions", "backfill"]], [["sessions", "import", ...why]]])(
    "ends at once: %s",
    async (args) => {
      const since = performance.now();
      const { code, aside } = await atDesk(args, env);
      expect(code).toBe(1);
      expect(aside).toMatch(/Redis gives no answer/);
      // In an outage meanwhile it is patient for 15 s.
      expect(performance.now() - since).toBeLessThan(8_000);
    },
  );

  it("shows for how long each cache lives", async () => {
    const { text } = await atDesk(["cache", "list"], {
      MONGODB_URL: mongo,
      DISABLE_REDIS: "true",
      TTL_MESSAGES: "61",
      TTL_WHISPERS: "62",
    });
    expect(text).toMatch(/^messages .* 61 s /m);
    expect(text).toMatch(/^whispers .* 62 s /m);
  });
});

describe("the operator's door in a shell", () => {
  const mongo = mongoUrl("cli-shell");
  afterAll(() => dropDatabase(mongo));

  it("needs none of the secrets that a server signs with", async () => {
    const env = { NODE_ENV: "production", MONGODB_URL: mongo, DISABLE_REDIS: "true" };
    expect(await atDesk(["history"], env)).toMatchObject({ code: 0, text: "Nothing has been changed yet.", aside: "" });
    expect((await atDesk(["migrate", "status"], env)).code).toBe(0);
    const { text } = await atDesk(["doctor"], env);
    expect(text).toMatch(/WRONG {3}JWT_SECRET: not set/);
    expect(text).toMatch(/MongoDB is \d|ok {6}MongoDB \d/);
  });

  it("tells everything that is wrong with the environment, a line each", async () => {
    const { code, aside } = await atDesk(["status"], { PORT: "99999", TTL_USERS: "0", LOG_LEVEL: "verbose" });
    expect(code).toBe(1);
    expect(aside.split("\n")).toEqual([
      expect.stringMatching(/^PORT: /),
      expect.stringMatching(/^LOG_LEVEL: /),
      expect.stringMatching(/^TTL_USERS: /),
      "",
    ]);
  });

  it("ends without a word when nobody reads on", { timeout: 30_000 }, async () => {
    const { PATH = "" } = process.env;
    const child = spawn(process.execPath, ["--import", "tsx", join(root, "src/cli.ts"), "config", "check"], {
      cwd: root,
      env: { PATH, NODE_ENV: "test" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let aside = "";
    child.stderr.on("data", (chunk: Buffer) => {
      aside += chunk.toString();
    });
    const [code] = await once(child, "close");
    expect([code, aside]).toEqual([0, ""]);
  });

  it("keeps of a log's fields what its sentence cannot hold", () => {
    const lines: string[] = [];
    const log = plainLog((line) => lines.push(line));
    log.warn({ from: "recovering", reason: "refused", documents: ["a", "b"] }, "Some are twice");
    expect(lines).toEqual(["Warning: Some are twice; documents: a, b"]);
  });
});
