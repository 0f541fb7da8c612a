import { spawn } from "node:child_process";
import { once } from "node:events";
import { RedisStore } from "connect-redis";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { root } from "../support/files.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Instance, startInstance } from "../support/session-store.ts";
import { callsOf, sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;

describe("the operator's tools for sessions", () => {
  const mongo = mongoUrl("cli-sessions");
  let redis: RedisServer;
  let server: Instance;
  const env = () => ({ MONGODB_URL: mongo, REDIS_URL: redis.url });
  const sessions = (...args: string[]) => atDesk(["sessions", ...args], env());
  const why = ["--reason", "it is over", "--who", "ann"];
  /** The newest lines of the history. */
  const history = async (limit: number) => (await atDesk(["history", "--limit", String(limit), "--json"], env())).json;

  beforeAll(async () => {
    redis = await startRedisServer();
    server = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, dial: { percent: 0 } });
    await server.trusting();
    const documents = Array.from({ length: 1_000 }, (_, n) => ({
      _id: `s${n}`,
      expires: new Date(Date.now() + day),
      session: JSON.stringify(sessionOf(day, { n })),
    }));
    await server.client.db().collection<{ _id: string }>("sessions").insertMany(documents);
  });
  afterAll(async () => {
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("backfill: killed in the middle, it goes on where it was", { timeout: 60_000 }, async () => {
    const { PATH = "" } = process.env;
    const args = ["dist/src/cli.js", "sessions", "backfill", "--rate", "100"];
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { PATH, NODE_ENV: "test", ...env() },
      stdio: "ignore",
    });
    const marks = server.client.db().collection("sluice_checkpoints");
    await until(async () => ((await marks.findOne())?.walked ?? 0) >= 200, { timeoutMs: 30_000 });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect((await sessions("verify", "--complete")).code).toBe(1);

    const { code, json } = await sessions("backfill", "--json");
    expect(code).toBe(0);
    expect(json).toMatchObject({ sessions: 1_000, stopped: false, rounds: 1 });
    expect(json.resumedAt).toBeGreaterThanOrEqual(200);
    expect(json.copied).toBe(1_000 - json.resumedAt);
    // The one that was killed could not say what it came to.
    expect(await history(10)).toMatchObject([
      { why: "", act: { what: "sessions backfill", outcome: expect.stringMatching(/^sessions 1000, copied \d+/) } },
      { why: "", act: { what: "sessions backfill", ended: null, outcome: null } },
    ]);
    const verified = await sessions("verify", "--complete", "--json");
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.json).toMatchObject({ clean: true, complete: true, findings: { same: 1_000 } });
  });

  it("verify: says in words and by its exit code what is wrong, and names no session", async () => {
    expect((await sessions("verify")).text).toBe("1000 sessions looked at\n  same  1000\nClean.");
    const copy = String(await redis.ask("GET", "session:s7"));
    await redis.ask("SET", "session:s7", copy.replace('"n":7', '"n":8'), "KEEPTTL");
    const { code, text } = await sessions("verify");
    expect(code).toBe(1);
    expect(text).toMatch(/^ {2}differing +1 +WRONG: the copy says something else$/m);
    expect(text).toMatch(/^ {2}for example [0-9a-f]{12} \(differing\)$/m);
    expect(text).toMatch(/NOT clean: look at what differs/);
    expect(text).not.toContain("s7");
    await redis.ask("SET", "session:s7", copy, "KEEPTTL");
  });

  it("import: brings in what connect-redis wrote, after a dry run that does not", async () => {
    const client = createClient({ url: redis.url });
    await client.connect();
    const stock = callsOf(new RedisStore({ client, prefix: "session:" }));
    await stock.set("fresh", sessionOf(day, { n: "fresh" }));
    client.destroy();
    expect((await sessions("import", "--dry-run", "--json")).json).toMatchObject({
      created: 1,
      ours: 1_000,
      dryRun: true,
    });
    expect(await server.calls.get("fresh")).toBeNull();
    const { code, text, aside } = await sessions("import", "--rate", "100000", ...why);
    expect(aside).toBe("");
    expect([code, text.split("\n")[0]]).toEqual([0, "1001 keys"]);
    expect(text).toMatch(/^ {2}created +1 +MongoDB did not know them$/m);
    expect(await server.calls.get("fresh")).toMatchObject({ n: "fresh" });
    expect(await history(1)).toMatchObject([
      { who: "ann", why: "it is over", act: { what: "sessions import", outcome: "keys 1001, ours 1000, created 1" } },
    ]);
  });

  it("import --end-missing: refuses while servers run, because it would log people out", async () => {
    const instances = server.client.db().collection("sluice_instances");
    await instances.insertOne({ serverId: "one", everyMs: 60_000, at: new Date() });
    const refused = await sessions("import", "--end-missing", ...why);
    expect(refused).toMatchObject({ code: 1, text: "" });
    expect(refused.aside).toMatch(/^--end-missing would log out whom the running servers have let in since: stop them/);
    await instances.deleteMany({});
    await redis.ask("DEL", "session:s9");
    expect((await sessions("import", "--end-missing", "--json", ...why)).json).toMatchObject({ loggedOut: 1 });
    expect(await server.calls.get("s9")).toBeNull();
    const act = { what: "sessions import --end-missing", outcome: "keys 1000, ours 1000, logged out 1" };
    expect(await history(1)).toMatchObject([{ who: "ann", why: "it is over", act }]);
  });

  it("import --end-missing: takes a Redis that has hardly a key for the wrong one, unless told otherwise", async () => {
    const half = (await redis.ask("KEYS", "session:s[2-5]*")) as string[];
    await redis.ask("DEL", ...half);
    const refused = await sessions("import", "--end-missing", ...why);
    expect(refused).toMatchObject({ code: 1, text: "" });
    expect(refused.aside).toMatch(
      /44\d of 1,000 sessions have no key in this Redis, more than 20 %\. Nothing was changed/,
    );
    expect(await server.client.db().collection("sessions").countDocuments()).toBe(1_000);
    const dry = await sessions("import", "--end-missing", "--dry-run", "--json");
    expect(dry.json.loggedOut).toBe(half.length);
    expect((await sessions("backfill")).code).toBe(0);
    await redis.ask("DEL", ...half.slice(0, 300));
    expect((await sessions("import", "--end-missing", "--force", "--json", ...why)).json).toMatchObject({
      loggedOut: 300,
    });
  });

  it("shows a bar to a person, and lines to everybody else", async () => {
    const person = await atDesk(["sessions", "backfill"], env(), { terminal: true });
    expect(person.aside).toMatch(/backfill █{30} 100 % {2}700 of 700/);
    expect(person.aside.endsWith("\n")).toBe(true);
    expect(person.text).toMatch(/^700 sessions\n {2}copied +700/);
    const machine = await atDesk(["sessions", "backfill"], env());
    expect(machine.aside).toMatch(/^backfill: 700 of 700, [\d,]+\/s\n$/);
  });

  /** A backfill that has come some way, and will need some time more. */
  async function begun() {
    const marks = server.client.db().collection("sluice_checkpoints");
    // Another command may have left one.
    await marks.deleteMany({});
    const stop = new AbortController();
    const going = atDesk(["sessions", "backfill", "--rate", "150"], env(), { signal: stop.signal });
    await until(() => marks.findOne());
    return { going, stop };
  }

  it("stops when it is told to, and says how to go on", async () => {
    const { going, stop } = await begun();
    stop.abort();
    const { code, text } = await going;
    expect(code).toBe(1);
    expect(text).toMatch(/^Stopped; run it again to go on\. \d+ sessions/);
    expect((await sessions("backfill")).text).toMatch(/^700 sessions, going on after \d+/);
  });

  it("does not wait for a silent Redis once it is told to stop", { timeout: 60_000 }, async () => {
    const { going, stop } = await begun();
    redis.freeze();
    const frozen = performance.now();
    try {
      // So long that it has come to its next hundred, and waits.
      await until(() => server.door.state === "down" && performance.now() - frozen > 2_000);
      const since = performance.now();
      stop.abort();
      const { code, aside } = await going;
      expect(code).toBe(1);
      expect(aside).toMatch(/Stopped\. Redis gives no answer/);
      // It would have been patient for 15 s.
      expect(performance.now() - since).toBeLessThan(12_000);
    } finally {
      redis.thaw();
    }
  });

  it("says who keeps Redis away, and what to do", async () => {
    const { code, aside } = await atDesk(["sessions", "verify"], { ...env(), DISABLE_REDIS: "true" });
    expect([code, aside]).toEqual([1, "Nothing goes to Redis: DISABLE_REDIS is set. Unset it for what needs Redis.\n"]);
  });
});
