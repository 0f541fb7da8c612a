import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createEvents } from "../../src/kernel/events.ts";
import { connectMongo, type MongoLink } from "../../src/mongo/connect.ts";
import type { FollowedSettings } from "../../src/mongo/settings.ts";
import { keepAudit } from "../../src/ops/audit.ts";
import { sessionMetrics } from "../../src/ops/metrics/sessions.ts";
import { createMetrics, type Metrics } from "../../src/ops/metrics.ts";
import type { DialEvents } from "../../src/sessions/dial/control.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { patient } from "../support/door.ts";
import { createRecorder } from "../support/recorder.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Instance, startInstance } from "../support/session-store.ts";
import { openSettings } from "../support/settings.ts";
import { sessionOf } from "../support/store-calls.ts";
import { until } from "../support/until.ts";

const day = 86_400_000;
const promtool = spawnSync("promtool", ["--version"]).error === undefined;

describe("the metrics of the sessions", () => {
  const mongo = mongoUrl("session-metrics");
  const steps = createEvents<DialEvents>();
  let redis: RedisServer;
  let server: Instance;
  let metrics: Metrics;
  const page = async () => (await metrics.page()).text;
  async function metric(series: string): Promise<number | undefined> {
    const line = (await page()).split("\n").find((candidate) => candidate.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  beforeAll(async () => {
    redis = await startRedisServer();
    server = await startInstance({ mongoUrl: mongo, redisUrl: redis.url, dial: { percent: 100 }, env: patient });
    metrics = createMetrics();
    metrics.add(sessionMetrics({ events: server.store.events, stats: () => server.store.stats(), steps }));
  });
  afterAll(async () => {
    metrics.close();
    await server.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("are there with their series at 0 before anything happens", async () => {
    const text = await page();
    for (const series of [
      'chat_session_operations_total{op="get",store="redis",result="hit"} 0',
      'chat_session_operations_total{op="set",store="mongo",result="superseded"} 0',
      'chat_session_operation_duration_seconds_count{op="get",store="mongo"} 0',
      'chat_session_fallbacks_total{reason="deadline"} 0',
      "chat_session_missing_total 0",
      'chat_session_corrections_total{change="no_redis",ok="false"} 0',
      'chat_session_step_downs_total{cause="missing"} 0',
    ])
      expect(text).toContain(`\n${series}\n`);
  });

  it("tell what was asked, who answered, and where the dial stands", async () => {
    await server.trusting();
    await server.calls.set("s1", sessionOf(day));
    await until(async () => {
      await server.calls.get("s1");
      return (await metric('chat_session_operations_total{op="get",store="redis",result="hit"}')) === 1;
    });
    expect(await metric('chat_session_operations_total{op="set",store="mongo",result="ok"}')).toBe(1);
    expect(await metric('chat_session_operation_duration_seconds_count{op="get",store="redis"}')).toBe(1);
    await server.calls.get("nobody");
    expect(await metric("chat_session_missing_total")).toBe(1);
    expect(await metric("chat_session_rollout_ratio")).toBe(1);
    expect(await metric('chat_session_mode{state="serve"}')).toBe(1);
    expect(await metric("chat_session_epoch")).toBe(server.store.stats().epoch);
    expect(await metric("chat_session_read_from_redis")).toBe(1);
    expect(await metric("chat_session_epochs_total")).toBeGreaterThan(0);
    server.dial.set({ mode: "shadow" });
    expect(await metric("chat_session_rollout_ratio")).toBe(0);
    server.dial.set({ mode: "serve", percent: 50 });
    expect(await metric("chat_session_rollout_ratio")).toBe(0.5);
    steps.emit("steppedDown", { cause: "missing", from: 50, to: 25 });
    expect(await metric('chat_session_step_downs_total{cause="missing"}')).toBe(1);
  });

  it("tell why MongoDB answers for the bucket", async () => {
    server.dial.set({ percent: 100 });
    await redis.kill();
    await until(() => server.door.state === "down");
    await server.calls.get("s1");
    expect(await metric('chat_session_fallbacks_total{reason="redis"}')).toBeGreaterThan(0);
    expect(await metric("chat_session_read_from_redis")).toBe(0);
    await redis.start();
  });

  it("name no session", async () => {
    expect(await page()).not.toMatch(/s1|nobody/);
  });

  it.runIf(promtool)("are accepted by promtool", async () => {
    const { status, stderr } = spawnSync("promtool", ["check", "metrics"], { input: await page(), encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});

describe("the audit log", () => {
  const url = mongoUrl("audit");
  let link: MongoLink;
  let settings: FollowedSettings;

  beforeAll(async () => {
    link = await connectMongo({ url, timeoutMs: 2_000, poolSize: 5, log: createRecorder() });
  });
  beforeEach(async () => {
    await link.db.dropDatabase();
    settings = await openSettings(link);
  });
  afterEach(() => settings.close());
  afterAll(async () => {
    await link.close();
    await dropDatabase(url);
  });

  it("has a line for each change on each server, with who made it and why", async () => {
    const other = await openSettings(link);
    const logs = [createRecorder(), createRecorder()];
    const audits = [settings, other].map((one, at) => keepAudit({ settings: one, log: logs[at] ?? createRecorder() }));
    const by = { who: "ann", why: "a drill" };
    const next = new Date(Date.now() + 60_000);
    const dial = { mode: "serve", percent: 25, oldServers: true } as const;
    await settings.change({ redisDisabled: true }, by);
    await settings.change({ redisDisabled: false }, by);
    await settings.change({ sessions: dial }, by);
    await settings.change({ sessions: { ...dial, ramp: { to: 50, step: 5, everyMs: 60_000, next } } }, by);
    await settings.change({ sessions: { ...dial, mode: "off", oldServers: false } }, by);
    await settings.change({ caches: { history: false } }, by);
    await settings.change({ caches: { history: false, users: true } }, by);
    await until(() => other.current.revision === 7);
    await Promise.all(audits.map((audit) => audit.close()));
    for (const { lines } of logs)
      expect(lines.map(({ level, message, fields }) => [level, fields.audit, fields.who, fields.why, message])).toEqual(
        [
          "By ann: the kill switch is on",
          "By ann: the kill switch is off",
          "By ann: the sessions' dial stands at 25 %",
          "By ann: a ramp to 50 % has begun",
          "By ann: the sessions' mode is off, the ramp has ended, old servers are taken to run beside this one: no",
          "By ann: the cache history is switched off",
          "By ann: the cache users is switched on",
        ].map((message) => ["info", "settings", "ann", "a drill", message]),
      );
    await other.close();
  });
});
