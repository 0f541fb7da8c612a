import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { atDesk } from "../support/desk.ts";
import { patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const why = ["--reason", "a test", "--who", "ann"];

describe("the operator's dial, against running servers", () => {
  const mongo = mongoUrl("cli-dial");
  const chats: Chat[] = [];
  let redis: RedisServer;
  const env = () => ({ MONGODB_URL: mongo, REDIS_URL: redis.url });
  const sluice = (...args: string[]) => atDesk(args, env());
  const converged = () =>
    until(async () => (await sluice("status")).code === 0, { everyMs: 100, describe: "the servers to agree" });

  beforeAll(async () => {
    redis = await startRedisServer();
    const own = { ...env(), SESSION_REDIS_PERCENT: "5", ...patient, INSTANCE_REPORT: "1s" };
    chats.push(await startChat({ env: { ...own, SERVER_ID: "one" } }));
    chats.push(await startChat({ env: { ...own, SERVER_ID: "two" } }));
    await converged();
  });
  afterAll(async () => {
    await Promise.all(chats.map((chat) => chat.stop()));
    await redis.close();
    await dropDatabase(mongo);
  });

  it("says where the servers stand while nobody has turned it, whatever its own environment says", async () => {
    // A busy machine may make them read from MongoDB for a moment.
    await vi.waitFor(
      async () => {
        const { code, text } = await sluice("status");
        expect(code).toBe(0);
        expect(text).toMatch(/^The dial: serve at 5 % \(nobody has turned it yet\)/);
        expect(text).toMatch(/^one +\S+ +0 +serve +5 % +\d+ +up +redis +\d+ ms$/m);
        expect(text).toMatch(/^two /m);
        expect(text).toMatch(/^converged$/m);
        const { json } = await sluice("status", "--json");
        expect(json).toMatchObject({ converged: true, differs: [], dial: { percent: 5, stored: false } });
        expect(json.instances).toHaveLength(2);
      },
      { timeout: 20_000 },
    );
    expect((await sluice("dial", "get")).text).toBe("serve at 5 % (by the environment)");
  });

  it("turns, and waits until the servers follow", async () => {
    const set = await sluice("dial", "set", "25", ...why);
    expect(set.code).toBe(0);
    expect(set.text).toMatch(/^The dial stands: serve at 25 %\.\n {2}ok {2}Redis is up for every instance\n/);
    expect(set.text).toMatch(/^All 2 servers follow\.$/m);
    expect((await sluice("dial", "get", "--json")).json).toMatchObject({ percent: 25, mode: "serve", revision: 1 });
    await converged();
    const again = await sluice("dial", "set", "25", ...why, "--json");
    expect(again.json).toMatchObject({ changed: false, revision: 1 });
  });

  it("only shows what it would do when it is a dry run", async () => {
    expect((await sluice("dial", "set", "50", ...why, "--dry-run")).text).toMatch(
      /^The dial would stand: serve at 50 %/,
    );
    expect((await sluice("kill", "on", ...why, "--dry-run")).text).toBe("The kill switch would be turned on.");
    expect((await sluice("dial", "ramp", "50", ...why, "--dry-run", "--json")).json).toMatchObject({ dryRun: true });
    expect((await sluice("cache", "flush", "--dry-run", "--json")).json).toEqual({
      keys: expect.any(Number),
      dryRun: true,
    });
    expect((await sluice("dial", "get", "--json")).json.revision).toBe(1);
    expect((await sluice("history", "--json")).json).toHaveLength(1);
  });

  it("throws a cache away, which is in the history and changes no setting", async () => {
    expect((await sluice("cache", "flush", "users", ...why)).text).toMatch(
      /^\d+ keys are deleted\.\nWhatever any server/,
    );
    const { json } = await sluice("history", "--limit", "1", "--json");
    const act = { what: "cache flush users", outcome: expect.stringMatching(/epoch \d+$/), ended: expect.any(String) };
    expect(json).toEqual([
      { revision: null, at: expect.any(String), who: "ann", why: "a test", from: {}, to: {}, act },
    ]);
    expect((await sluice("history", "--limit", "1")).text).toMatch(
      /^- +\d{4}-\S+Z +ann +cache flush users: (keys \d+, )?epoch \d+ +a test$/,
    );
    expect((await sluice("dial", "get", "--json")).json.revision).toBe(1);
  });

  it("ramps, and is stopped", async () => {
    const ramp = await sluice("dial", "ramp", "100", "--from", "30", "--step", "30", "--every", "3s", ...why);
    expect(ramp).toMatchObject({ code: 0 });
    expect(ramp.text).toMatch(/^The dial stands: serve at 30 %; a ramp goes on to 100 % by 30 every 3 s, next /);
    await until(async () => (await sluice("dial", "get", "--json")).json.percent >= 60, { everyMs: 50 });
    expect((await sluice("dial", "abort", ...why, "--dry-run")).text).toMatch(
      /^The ramp would end; the dial stands: serve at \d+ %\.$/,
    );
    expect((await sluice("dial", "abort", ...why)).text).toMatch(
      /^The ramp has ended; the dial stands: serve at \d+ %\.\nAll 2 servers follow\.$/,
    );
    expect((await sluice("dial", "abort", ...why)).text).toMatch(/^There is no ramp/);
  });

  it("turns the kill switch", async () => {
    expect((await sluice("kill", "on", ...why)).text).toBe("The kill switch is on.\nAll 2 servers follow.");
    await until(async () => (await sluice("status")).text.includes("The kill switch is ON"));
    await until(async () => (await sluice("status", "--json")).json.instances[0].redis === "disabled");
    const refused = await sluice("dial", "set", "90", ...why);
    expect(refused.code).toBe(1);
    expect(refused.text).toMatch(/^The dial stays where it is\. Redis is disabled: the kill switch is on/);
    expect(refused.text).toMatch(/With --force it is done all the same\.$/);
    expect((await sluice("kill", "off", ...why, "--json")).json).toMatchObject({ redisDisabled: false, changed: true });
    await converged();
  });

  it("is refused while Redis is out, unless forced, and never downwards", async () => {
    await redis.kill();
    await until(async () => {
      const { instances } = (await sluice("status", "--json")).json;
      return instances.filter((one: { redis: string }) => one.redis === "down").length === 2;
    });
    const refused = await sluice("dial", "set", "100", ...why, "--json");
    expect(refused.code).toBe(1);
    expect(refused.json).toMatchObject({ error: "DIAL_REFUSED" });
    expect(await sluice("dial", "set", "99", ...why, "--force")).toMatchObject({ code: 0 });
    expect(await sluice("dial", "set", "--mode", "shadow", "--old-servers", "off", ...why)).toMatchObject({ code: 0 });
    expect(await sluice("dial", "set", "0", "--mode", "serve", ...why)).toMatchObject({ code: 0 });
    await redis.start();
    await converged();
  });

  it("tells who changed what and why, newest first", async () => {
    const { text } = await sluice("history");
    const [newest] = text.split("\n");
    expect(newest).toMatch(/^\d+ +\d{4}-\S+Z +ann +shadow 99 % → serve 0 % +a test$/);
    expect(text).toMatch(/ sluice at (one|two) +serve 30 % → serve 60 %, ramp to 100 % +step of the ramp to 100 %$/m);
    expect(text).toMatch(/ ann +kill switch on +a test$/m);
    expect(text).toMatch(/ ann +serve 99 % → shadow 99 %, old servers off +a test$/m);
    expect(text).toMatch(/ ann +serve (\d+) % → serve \1 %, no ramp any more +a test$/m);
    expect((await sluice("history", "--limit", "1", "--json")).json).toHaveLength(1);
  });

  it("leaves a line in the servers' logs for each change", async () => {
    const { json } = await sluice("history", "--json");
    const kill = json.find(({ to }: { to: { redisDisabled?: boolean } }) => to.redisDisabled === true);
    expect(kill).toBeDefined();
    const chat = await startChat({ env: { ...env(), LOG_LEVEL: "info", INSTANCE_REPORT: "1s" } });
    chats.push(chat);
    // What it logs and what it says come by two ways.
    await until(() => /SESSION_REDIS_MODE and SESSION_REDIS_PERCENT are ignored/.test(chat.output()), {
      describe: () => `the log to say whose dial it is:\n${chat.output()}`,
    });
    await sluice("dial", "set", "10", ...why);
    const line = await until(() => /^.*"audit":"settings".*(?=\n)/m.exec(chat.output())?.[0]);
    expect(JSON.parse(line)).toMatchObject({
      msg: "By ann: the sessions' dial stands at 10 %",
      who: "ann",
      why: "a test",
      from: { sessions: { percent: 0 } },
      to: { sessions: { percent: 10 } },
    });
  });

  it.each([
    ["no reason to throw caches away", ["cache", "flush"], /required option '--reason <text>'/],
    ["no reason to bring sessions in", ["sessions", "import"], /required option '--reason <text>'/],
    ["no reason", ["dial", "set", "10"], /required option '--reason <text>'/],
    ["a reason without words", ["dial", "set", "10", "--reason", " "], /It takes words, for whoever reads the history/],
    ["a position that there is not", ["dial", "set", "101", ...why], /It takes a number from 0 to 100/],
    ["a mode that there is not", ["dial", "set", "--mode", "on", ...why], /Allowed choices are off, shadow, serve/],
    ["nothing to set", ["dial", "set", ...why], /nothing to set; give a percentage, --mode or --old-servers/],
    ["a step of nothing", ["dial", "ramp", "50", "--step", "0", ...why], /It takes a number from 0.001 to 100/],
    ["no such command", ["dail"], /unknown command 'dail'/],
  ])("is called wrongly with %s: exit code 2", async (_, args, words) => {
    const { code, text, aside } = await sluice(...args);
    expect([code, text]).toEqual([2, ""]);
    expect(aside).toMatch(words);
  });
});
