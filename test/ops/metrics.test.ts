import { spawnSync } from "node:child_process";
import { createServer, get as httpGet } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createEvents } from "../../src/kernel/events.ts";
import { metricsAccess } from "../../src/ops/access.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { patient } from "../support/door.ts";
import { figuresOf } from "../support/metrics.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { type Instance, startInstance } from "./instance.ts";

const promtool = spawnSync("promtool", ["--version"]).error === undefined;
if (!promtool) console.warn("promtool is not installed: the page of metrics is not checked by it");

describe("the metrics of an instance", () => {
  const mongo = mongoUrl("metrics");
  let redis: RedisServer;
  let instance: Instance;
  const page = async () => (await instance.get("/metrics")).text();

  beforeAll(async () => {
    redis = await startRedisServer();
    const quicker = { REDIS_WATCHDOG: "3s", REDIS_CONNECT_TIMEOUT: "3s" };
    instance = await startInstance({ MONGODB_URL: mongo, REDIS_URL: redis.url, ...patient, ...quicker });
    await until(() => instance.door.state === "up");
  });
  afterAll(async () => {
    await instance.close();
    await redis.close();
    await dropDatabase(mongo);
  });

  it("are there with their series at 0 before anything happens", async () => {
    const text = await page();
    for (const series of [
      'chat_redis_errors_total{kind="deadline"} 0',
      "chat_redis_unknown_outcomes_total 0",
      'chat_redis_state_changes_total{to="disabled"} 0',
      "chat_redis_connect_failures_total 0",
      'db_query_duration_seconds_count{query_type="findAndModify"} 0',
      "chat_redis_disabled 0",
      'chat_redis_commands_total{name="session.get",result="ok"} 0',
      'chat_redis_command_duration_seconds_count{name="limit.count"} 0',
      'chat_mongo_errors_total{collection="messages",command="insert"} 0',
      "chat_rollout_last_change_timestamp_seconds 0",
      "chat_settings_revision 0",
    ])
      expect(text).toContain(`\n${series}\n`);
    expect(text).toMatch(/^build_info\{version="1\.2\.3",node="[\d.]+"\} 1$/m);
  });

  it("tell how long the event loop was held up", async () => {
    const over100ms = async () => {
      const name = "nodejs_eventloop_lag_seconds";
      const all = await instance.metric(`${name}_count`);
      return (all ?? 0) - ((await instance.metric(`${name}_bucket{le="0.1"}`)) ?? 0);
    };
    const before = await over100ms();
    const end = performance.now() + 250;
    while (performance.now() < end);
    await until(async () => (await over100ms()) > before);
    expect(await instance.metric('nodejs_gc_duration_seconds_count{kind="minor"}')).toBeGreaterThanOrEqual(0);
    expect(await instance.metric("process_resident_memory_bytes")).toBeGreaterThan(1e7);
    expect(await instance.metric("process_cpu_seconds_total")).toBeGreaterThan(0);
  });

  it("tell how full the instance is, for whatever starts more of them", async () => {
    const load = (resource: string) => instance.metric(`chat_load_ratio{resource="${resource}"}`);
    expect(await load("memory")).toBeGreaterThan(0);
    expect(await load("memory")).toBeLessThan(1);
    expect(await load("cpu")).toBeGreaterThan(0);
    const end = performance.now() + 300;
    while (performance.now() < end);
    expect(await load("event_loop")).toBeGreaterThan(0.01);
    expect(await load("event_loop")).toBeLessThanOrEqual(1);
  });

  it("count calls to Redis by name and end, and say how it is", async () => {
    expect(await instance.metric("chat_redis_up")).toBe(1);
    expect(await instance.metric('chat_redis_breaker_state{state="closed"}')).toBe(1);
    expect(await instance.metric('chat_redis_state{state="down"}')).toBe(0);
    await instance.door.call("greeting.read", (commands) => commands.get("cache:greeting"));
    await instance.door.call("greeting.read", (commands) => commands.hGetAll("cache:greeting"));
    await instance.door.call("greeting.write", (commands) => commands.set("cache:greeting", "hello"));
    await instance.door.call("greeting.read", (commands) => commands.hGetAll("cache:greeting"));
    expect(await instance.metric('chat_redis_commands_total{name="greeting.read",result="ok"}')).toBe(2);
    expect(await instance.metric('chat_redis_commands_total{name="greeting.read",result="failed"}')).toBe(1);
    expect(await instance.metric('chat_redis_commands_total{name="greeting.write",result="deadline"}')).toBe(0);
    expect(await instance.metric('chat_redis_errors_total{kind="failed"}')).toBe(1);
    const timed = async () =>
      (await instance.metric('chat_redis_command_duration_seconds_count{name="greeting.read"}')) ?? Number.NaN;
    const before = await timed();
    for (let call = 0; call < 14; call++)
      await instance.door.call("greeting.read", (commands) => commands.get("cache:greeting"));
    expect((await timed()) - before).toBeGreaterThanOrEqual(2);
    expect((await timed()) - before).toBeLessThan(14);
    expect(await instance.metric("chat_redis_connections")).toBeGreaterThan(0);
    expect(await instance.metric("chat_redis_memory_used_bytes")).toBeGreaterThan(100_000);
  });

  it("count what MongoDB is asked, without the waiting of change streams in its times", async () => {
    const series = 'chat_mongo_queries_total{collection="things",command="insert"}';
    await instance.db.collection("things").insertOne({ a: 1 });
    await instance.db.collection("things").findOne();
    expect(await instance.metric(series)).toBe(1);
    expect(await instance.metric('db_query_duration_seconds_count{query_type="insert"}')).toBe(1);
    const streams = 'chat_mongo_queries_total{collection="sluice_settings",command="changeStream"}';
    await until(async () => Number(await instance.metric(streams)) > 0);
    expect(await instance.metric('db_query_duration_seconds_count{query_type="getMore"}')).toBe(0);
    await until(async () => (await instance.metric("chat_mongo_up")) === 1);
    await until(async () => (await instance.metric('chat_change_stream_live{stream="settings"}')) === 1);
    const lag = () => instance.metric('chat_change_stream_lag_seconds{stream="settings"}');
    await until(async () => Number(await lag()) < 1);
  });

  it("time requests by the pattern of their route, never by their address", async () => {
    await instance.get("/api/channels?page=1");
    await instance.get("/API/channels");
    await instance.get("/api/admin/users/alice/ban", { method: "POST" });
    await instance.get("/api/admin/users/bob/ban", { method: "POST" });
    await instance.get("/api/admin/broken");
    for (let n = 0; n < 50; n++) await instance.get(`/nowhere/${n}`, { method: n % 2 ? "GET" : "PROPFIND" });
    await instance.get("/health");
    const name = "chat_http_request_duration_seconds_count";
    const counted = async () => {
      const counts = (await page()).split("\n").filter((line) => line.startsWith(name));
      expect(counts).toEqual(
        expect.arrayContaining([
          `${name}{route="/api/channels",method="GET",code="200",cache="redis"} 2`,
          `${name}{route="/api/admin/users/:id/ban",method="POST",code="200",cache="none"} 2`,
          `${name}{route="/api/admin/broken",method="GET",code="500",cache="none"} 1`,
          `${name}{route="unmatched",method="GET",code="404",cache="none"} 25`,
          `${name}{route="unmatched",method="other",code="404",cache="none"} 25`,
          `${name}{route="/health",method="GET",code="200",cache="none"} 1`,
        ]),
      );
    };
    await vi.waitFor(counted, { timeout: 10_000 });
    const text = await page();
    for (const word of ["alice", "bob", "nowhere"]) expect(text).not.toContain(word);
  });

  it("know the sockets and their messages once those are there", async () => {
    const events = createEvents<{ delivered: object; arrived: { way: "here" | "redis" | "mongodb" }; slow: object }>();
    instance.ops.watchSockets({ stats: () => ({ connections: 3 }), events });
    expect(await instance.metric('messages_total{server_id="one"}')).toBe(0);
    events.emit("delivered", {});
    events.emit("arrived", { way: "redis" });
    events.emit("slow", {});
    expect(await instance.metric('chat_message_arrivals_total{way="redis"}')).toBe(1);
    expect(await instance.metric('chat_message_arrivals_total{way="mongodb"}')).toBe(0);
    expect(await instance.metric("chat_slow_sockets_total")).toBe(1);
    expect(await instance.metric('messages_total{server_id="one"}')).toBe(1);
    expect(await instance.metric('websocket_active_connections{server_id="one"}')).toBe(3);
  });

  it("follow the settings", async () => {
    await instance.settings.change({ redisDisabled: false }, { who: "operator", why: "a test" });
    expect(await instance.metric("chat_settings_revision")).toBe(1);
    const changed = await instance.metric("chat_rollout_last_change_timestamp_seconds");
    expect(Math.abs((changed ?? 0) - Date.now() / 1_000)).toBeLessThan(60);
  });

  it("are known by name to programs as well", async () => {
    const all = await instance.ops.metrics.registry.getMetricsAsJSON();
    expect(all.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["chat_redis_command_duration_seconds", "db_query_duration_seconds", "build_info"]),
    );
  });

  it.runIf(promtool)("are accepted by promtool", async () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: await page() });
    expect([status, `${stdout}${stderr}`]).toEqual([0, ""]);
  });

  it("tell that Redis is gone", { timeout: 60_000 }, async () => {
    redis.freeze();
    try {
      await until(async () => (await instance.metric("chat_redis_up")) === 0);
      expect(await instance.metric('chat_redis_state_changes_total{to="down"}')).toBeGreaterThan(0);
      await until(async () => Number(await instance.metric("chat_redis_connect_failures_total")) > 0, {
        timeoutMs: 20_000,
      });
      const now = await figuresOf(instance.url);
      expect(now.of("chat_redis_connect_attempts_total")).toBeGreaterThan(
        Number(now.of("chat_redis_connect_failures_total")),
      );
      const { reason } = (await instance.door.call("greeting.read", (c) => c.get("cache:greeting"))) as {
        reason: string;
      };
      expect(
        await instance.metric(`chat_redis_commands_total{name="greeting.read",result="${reason}"}`),
      ).toBeGreaterThan(0);
    } finally {
      redis.thaw();
    }
  });
});

describe("who may read the metrics", () => {
  const open = { METRICS_TOKEN: "", METRICS_PUBLIC: false, TRUST_PROXY: 0 };

  /** Whether a request from this machine, with these headers, may. */
  async function asked(config: typeof open, headers: Record<string, string> = {}): Promise<boolean> {
    const may = metricsAccess(config);
    const server = createServer((req, res) => void res.writeHead(may(req) ? 200 : 403).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      return await new Promise((resolve, reject) => {
        httpGet({ host: "127.0.0.1", port, headers, agent: false }, (res) =>
          resolve(res.resume().statusCode === 200),
        ).on("error", reject);
      });
    } finally {
      server.close();
    }
  }

  it("is this machine, unless the request came through a proxy", async () => {
    expect(await asked(open)).toBe(true);
    expect(await asked(open, { "X-Forwarded-For": "203.0.113.9" })).toBe(false);
    expect(await asked(open, { Forwarded: "for=203.0.113.9" })).toBe(false);
    expect(await asked({ ...open, TRUST_PROXY: 1 })).toBe(false);
  });

  it("is not another machine", () => {
    const may = metricsAccess(open);
    for (const [remoteAddress, expected] of [
      ["127.0.0.1", true],
      ["::1", true],
      ["::ffff:127.0.0.1", true],
      ["10.0.0.7", false],
      ["2001:db8::1", false],
      ["127001.example", false],
      [undefined, false],
    ] as const) {
      const request = { headers: {}, socket: { remoteAddress } } as unknown as Parameters<typeof may>[0];
      expect([remoteAddress, may(request)]).toEqual([remoteAddress, expected]);
    }
  });

  it("is everybody when they are public", async () => {
    expect(await asked({ ...open, METRICS_PUBLIC: true, TRUST_PROXY: 1 }, { Via: "1.1 proxy" })).toBe(true);
  });

  it("is who has the token, once there is one", async () => {
    const config = { ...open, METRICS_TOKEN: "geheim", METRICS_PUBLIC: true };
    expect(await asked(config)).toBe(false);
    expect(await asked(config, { Authorization: "Bearer wrong" })).toBe(false);
    expect(await asked(config, { Authorization: "Bearer geheim" })).toBe(true);
  });
});
