import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dashboardJson } from "../../monitoring/dashboard/dashboard.ts";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { root } from "../support/files.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { alertCases, alertRules } from "./alert-rules.ts";
import { askable, type Metric, metricsPage, readPage } from "./exposition.ts";
import { readPromQl } from "./promql.ts";
import { redisExporter } from "./redis-exporter.ts";

const promtool = spawnSync("promtool", ["--version"]).error === undefined;
if (!promtool) console.warn("promtool is not installed: the page of metrics is not checked by it");

interface Panel {
  title: string;
  description?: string;
  targets?: { expr: string }[];
}

const { panels } = JSON.parse(dashboardJson()) as { panels: Panel[] };
const asked = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ by: `the panel "${title}"`, expr }))),
  ...alertRules().map(({ alert, expr }) => ({ by: `the alert ${alert}`, expr })),
];

describe("the metrics of the running server", () => {
  const mongo = mongoUrl("guard-metrics");
  let redis: RedisServer;
  let chat: Chat;
  let text = "";
  let metrics: Metric[] = [];
  /** All that may be asked for, with labels; Prometheus adds where it comes from. */
  let known = new Map<string, string[]>();

  beforeAll(async () => {
    redis = await startRedisServer();
    chat = await startChat({ env: { MONGODB_URL: mongo, REDIS_URL: redis.url, SERVER_ID: "one" } });
    await fetch(`${chat.url}/health`);
    text = await until(async () => {
      const page = await (await fetch(`${chat.url}/metrics`)).text();
      const told = ["chat_redis_server_clients ", "chat_http_request_duration_seconds_count{"];
      return told.every((series) => page.includes(`\n${series}`)) ? page : undefined;
    });
    metrics = readPage(text);
    known = new Map([...Object.entries({ ...redisExporter, up: [] }), ...askable(metrics)]);
  });
  afterAll(async () => {
    await chat.stop();
    await redis.close();
    await dropDatabase(mongo);
  });

  it.runIf(promtool)("are accepted by promtool", () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: text });
    expect([status, `${stdout}${stderr}`]).toEqual([0, ""]);
  });

  it("are there with at least one series each", () => {
    expect(metrics.filter(({ samples }) => samples === 0).map(({ name }) => name)).toEqual([]);
  });

  it("are those that operators were promised", () => {
    const page = metrics.map(({ name, labels }) => (labels.length > 0 ? `${name}{${labels.join(",")}}` : name));
    expect(page).toEqual(
      expect.arrayContaining([
        ...["chat_session_rollout_ratio", "chat_session_operations_total{op,store,result}", "chat_session_epoch"],
        ...["chat_session_operation_duration_seconds{op,store}", "chat_session_fallbacks_total{reason}"],
        ...[
          "chat_session_missing_total",
          "chat_redis_breaker_state{state}",
          "chat_redis_up",
          "chat_redis_pool_waiting",
        ],
        ...["chat_redis_disabled", "chat_mongo_queries_total{collection,command}"],
        ...["db_query_duration_seconds{query_type}", "websocket_active_connections{server_id}"],
        ...["messages_total{server_id}", "chat_http_request_duration_seconds{route,method,code,cache}"],
        ...["chat_rollout_last_change_timestamp_seconds", "build_info{version,node}", "nodejs_eventloop_lag_seconds"],
        ...["chat_load_ratio{resource}", "chat_cache_requests_total{cache,result}", "chat_cache_stale_ratio{cache}"],
        ...["chat_cache_request_duration_seconds{cache,result}", "chat_cache_write_errors_total{cache}"],
        ...["chat_mongo_reads_saved_total{cache}"],
      ]),
    );
  });

  it("tell of every change stream, lest one be behind and no alert say so", () => {
    const streams = [...text.matchAll(/^chat_change_stream_live\{stream="([^"]+)"\}/gm)].map(([, name]) => name);
    const caches = ["channels", "emoji", "messages", "users", "whispers"].map((name) => `cache:${name}`);
    const others = ["access", "channels", "messages", "sessions", "settings", "standings", "users"];
    expect(streams.sort()).toEqual([...others, ...caches].sort());
  });

  it("are all on the page of the documents", async () => {
    await expect(metricsPage(metrics), "npm run docs writes it").toMatchFileSnapshot(join(root, "docs/metrics.md"));
  });

  it("include every one that the dashboard and the alerts ask for, by labels that it has", () => {
    expect(asked.length).toBeGreaterThan(60);
    const objections = asked.flatMap(({ by, expr }) => {
      const { wrong, metrics: names, labels } = readPromQl(expr);
      const has = new Set(["instance", "job", ...names.flatMap((name) => known.get(name) ?? [])]);
      return [
        ...wrong.map((where) => `${by} cannot be read ${where}`),
        ...names.filter((name) => !known.has(name)).map((name) => `${by} asks for ${name}, which nobody tells`),
        ...labels.filter((label) => !has.has(label)).map((label) => `${by} asks by ${label}, which no such series has`),
      ];
    });
    expect(objections).toEqual([]);
  });

  it("include every one that the alerts' own cases make up", () => {
    const names = alertCases().flatMap(({ metrics: series }) =>
      series.split("\n").map((one) => one.split("{")[0] ?? ""),
    );
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });
});
