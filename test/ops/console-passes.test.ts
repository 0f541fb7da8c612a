import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { consoleTokens, loadSecrets } from "../../src/config/secrets.ts";
import { createJobs } from "../../src/ops/console/jobs.ts";
import { createPasses } from "../../src/ops/console/passes.ts";
import { createRates } from "../../src/ops/console/rates.ts";
import { createRecorder } from "../support/recorder.ts";
import { until } from "../support/until.ts";

const hour = 3_600_000;

describe("the passes of the console", () => {
  let now = 1_700_000_000_000;
  const clock = { now: () => now };
  const tokens = { full: "changes things", read: "only looks" };
  const passes = createPasses({ tokens, secrets: ["new", "old"], clock });
  const textOf = (made: ReturnType<typeof passes.issue>) => made?.text ?? "";

  it("are of the role whose token was shown", () => {
    expect(["changes things", "only looks", "changes thing", ""].map(passes.roleOf)).toEqual([
      "full",
      "read",
      undefined,
      undefined,
    ]);
    expect(createPasses({ tokens: { full: "x" }, secrets: ["s"], clock }).roleOf("")).toBeUndefined();
    expect(passes.read(textOf(passes.issue("read")))).toMatchObject({ role: "read", began: now, ends: now + hour });
  });

  it("are worth nothing when a letter is another, or when somebody else signed them", () => {
    const text = textOf(passes.issue("read"));
    for (const wrong of [
      text.replace("read", "full"),
      text.replace(/\.\d+\./, ".1."),
      `${text}x`,
      "",
      "read",
      undefined,
    ])
      expect(passes.read(wrong)).toBeUndefined();
    const strange = createPasses({ tokens, secrets: ["another"], clock });
    const later = createPasses({ tokens: { ...tokens, read: "a new one" }, secrets: ["new"], clock });
    const without = createPasses({ tokens: { full: tokens.full }, secrets: ["new"], clock });
    expect([strange, later, without].map((one) => one.read(text))).toEqual([undefined, undefined, undefined]);
    expect(createPasses({ tokens, secrets: ["newest", "new"], clock }).read(text)).toMatchObject({ role: "read" });
  });

  it("end after an hour, and however often they are renewed after twelve", () => {
    const first = passes.issue("full");
    const began = now;
    now += hour - 1;
    expect(passes.read(textOf(first))).toBeDefined();
    const renewed = passes.issue("full", first?.pass.began);
    now += 1;
    expect(passes.read(textOf(first))).toBeUndefined();
    expect(passes.read(textOf(renewed))).toMatchObject({ began });
    now = began + 12 * hour - 60_000;
    expect(passes.issue("full", began)?.pass.ends).toBe(began + 12 * hour);
    now = began + 12 * hour;
    expect(passes.issue("full", began)).toBeUndefined();
  });
});

describe("the tokens of the console", () => {
  const data = mkdtempSync(join(tmpdir(), "sluice-console-"));
  afterAll(() => rmSync(data, { recursive: true, force: true }));
  const production = {
    NODE_ENV: "production",
    MONGODB_URL: "mongodb://db/chat",
    JWT_SECRET: "j".repeat(48),
    SESSION_SECRET: "s".repeat(48),
  };
  const tokensOf = (env: Record<string, string>) => consoleTokens(loadConfig({ DATA_DIR: data, ...env }));

  it.each([
    ["production without one", production, /^OPS_TOKEN is not set$/],
    ["production with a short one", { ...production, OPS_TOKEN: "short" }, /shorter than 16 characters/],
    ["two that are the same", { OPS_TOKEN: "x", OPS_READ_TOKEN: "x" }, /is the same as OPS_TOKEN/],
    ["none behind a proxy", { TRUST_PROXY: "1" }, /a proxy stands in front/],
    ["none on every interface", { HOST: "0.0.0.0" }, /HOST=0\.0\.0\.0 lets other machines in/],
  ])("let nobody in: %s", (_, env, why) => {
    expect(tokensOf(env)).toEqual({ refused: expect.stringMatching(why) });
  });

  it("are made once for whoever sits at this machine, beside the other secrets", () => {
    const made = tokensOf({});
    expect(made).toEqual({ full: expect.stringMatching(/^[0-9a-f]{64}$/), made: true });
    const secrets = loadSecrets(loadConfig({ DATA_DIR: data }));
    expect(tokensOf({})).toEqual(made);
    expect(JSON.parse(readFileSync(join(data, "secrets.json"), "utf8"))).toEqual({
      console: "full" in made ? made.full : "",
      jwt: secrets.jwt,
      session: secrets.session[0],
    });
    const given = { OPS_TOKEN: "o".repeat(16), OPS_READ_TOKEN: "r".repeat(16) };
    expect(tokensOf({ ...production, ...given })).toEqual({ full: "o".repeat(16), read: "r".repeat(16), made: false });
  });
});

describe("the tools in the console", () => {
  it("run one at a time, tell how far they are, and can be stopped", async () => {
    const log = createRecorder();
    let progress: ((progress: { done: number; total?: number }) => void) | undefined;
    const jobs = createJobs({
      clock: { now: Date.now },
      log,
      tools: {
        verify: () => Promise.reject(new Error("MongoDB is away")),
        import: () => Promise.reject(new Error("not asked for")),
        backfill: ({ onProgress, signal }) =>
          new Promise((_, end) => {
            progress = onProgress;
            signal?.addEventListener("abort", () => end(new Error("stopped")));
          }),
      },
    });
    jobs.start("backfill", {}, { who: "ann", why: "" });
    progress?.({ done: 3, total: 10 });
    expect(jobs.current).toMatchObject({ kind: "backfill", who: "ann", done: 3, total: 10, ended: null });
    expect(() => jobs.start("verify", {}, { who: "bo", why: "" })).toThrow(/A backfill, begun by ann, is under way/);
    expect(jobs.stop("bo")).toBe(true);
    await until(() => jobs.current?.ended);
    expect(jobs.stop("bo")).toBe(false);
    jobs.start("verify", {}, { who: "bo", why: "" });
    await until(() => jobs.current?.ended);
    expect(jobs.current).toMatchObject({ kind: "verify", problem: "MongoDB is away", result: null });
    expect(log.said("info", /^By bo: the backfill of sessions is stopped/)).toHaveLength(1);
    await jobs.close();
  });
});

describe("the rates of all servers", () => {
  const none = { redisSeconds: 0, mongoSeconds: 0, queries: 0, fallbacks: 0, missing: 0, errors: 0 };
  const report = (serverId: string, at: number, reads: number, hits: number) => ({
    ...{ serverId, version: "1", revision: 1, mode: "serve" as const, percent: 0, epoch: 1, redis: "up" },
    ...{ reading: "redis" as const, reason: "", streamLive: true, streamLagMs: 0, ttlSeconds: 60, at: new Date(at) },
    figures: {
      ...{ ...none, cacheReads: reads, cacheHits: hits, redisReads: hits, mongoReads: reads - hits, saved: hits },
      redisSeconds: hits / 1_000,
      caches: { users: { reads, hits } },
    },
  });

  it("are sums over the servers, and not disturbed by one that starts again or comes late", () => {
    const rates = createRates();
    expect(rates.look(0, [report("a", 0, 100, 90), report("b", 0, 0, 0)]).point).toMatchObject({
      cacheReads: null,
      hitRatio: null,
      redisMs: null,
    });
    const second = rates.look(2_000, [report("a", 2_000, 200, 180), report("b", 2_000, 100, 60)]);
    expect(second.point).toMatchObject({ cacheReads: 100, hitRatio: 0.75, redisMs: 1, mongoMs: 0, saved: 75 });
    expect(second.caches).toEqual({ users: { reads: 100, hitRatio: 0.75 } });
    // The report of b is the one that is known, so its rate stays; a has begun anew, so it has none yet.
    const third = rates.look(3_000, [report("a", 3_000, 5, 5), report("b", 2_000, 100, 60)]);
    expect(third.point).toMatchObject({ cacheReads: 50, hitRatio: 0.6 });
    expect(rates.look(4_000, [report("a", 4_000, 15, 10)]).point).toMatchObject({ cacheReads: 10, hitRatio: 0.5 });
  });
});
