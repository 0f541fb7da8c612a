import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import mongoose from "mongoose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { filesBelow, root } from "../support/files.ts";
import { createBrowser, password } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { createTown } from "../support/sockets.ts";
import { asyncApi, eventObjections, objections, openApi, schemas } from "./reference.ts";

const lenient = { strict: false, validateFormats: false, logger: false } as const;

const operations = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
);

const sourceOf = (file: string) => readFileSync(join(root, "src", file), "utf8");

/** `router.get("/users/:id"` as `GET /api/users/{id}`. */
function routesOf(file: string): string[] {
  const prefix = file.endsWith("/admin.ts") ? "/api/admin" : "/api";
  return [...sourceOf(file).matchAll(/\brouter\.(get|post|put|patch|delete)\(\s*"([^"]+)"/g)].map(
    ([, method = "", path = ""]) => `${method.toUpperCase()} ${prefix}${path.replaceAll(/:(\w+)/g, "{$1}")}`,
  );
}

describe("the references", () => {
  it("are OpenAPI 3.1 and AsyncAPI 3 by their own schemas", () => {
    const open = new Ajv2020(lenient);
    // Its one dynamic reference stands for "any schema"; Ajv takes it for the document itself.
    const whole = JSON.stringify(schemas.openApi);
    const isOpen = open.compile(JSON.parse(whole.replaceAll('"$dynamicRef":"#meta"', '"$ref":"#/$defs/schema"')));
    expect([isOpen(openApi), isOpen.errors]).toEqual([true, null]);
    expect(isOpen({ ...openApi, paths: { "/api": { get: {}, fetch: {} } } })).toBe(false);
    const parts = [...Object.entries(openApi.components.schemas), ...Object.entries(asyncApi.components.schemas)];
    expect(parts.filter(([, schema]) => !open.validateSchema(schema)).map(([name]) => name)).toEqual([]);
    // It brings the meta-schema of draft 7 itself.
    const own = { ...lenient, meta: false, validateSchema: false } as const;
    const isAsync = new Ajv(own).compile(schemas.asyncApi);
    expect([isAsync(asyncApi), isAsync.errors]).toEqual([true, null]);
    expect(isAsync({ ...asyncApi, operations: { shout: { action: "shout" } } })).toBe(false);
  });

  it("know every route that there is", () => {
    const files = filesBelow("src/chat/routes", ".ts").map((file) => join("chat/routes", file));
    expect(sourceOf("chat/routes/index.ts")).toMatch(/api\.use\("\/admin", adminRoutes/);
    expect(sourceOf("chat/routes/index.ts").match(/app\.use\("\//g)).toEqual(['app.use("/']);
    const pages = [...sourceOf("ops/router.ts").matchAll(/^ {4}"(\/[\w/]+)":/gm)].map(([, path]) => `GET ${path}`);
    const routes = [...files.flatMap(routesOf), ...pages, "GET /api-docs.json", "GET /api-docs/sockets.json"];
    expect(routes.length).toBeGreaterThan(20);
    expect(operations.sort()).toEqual([...new Set(routes)].sort());
  });

  it("know every event that there is", () => {
    const messages = Object.keys(asyncApi.components.messages);
    const sources = filesBelow("src/realtime", ".ts").map((file) => sourceOf(join("realtime", file)));
    const sent = sources.flatMap((text) =>
      [...text.matchAll(/\.emit\("([a-z]+_[a-z_]+|message|history|speaking|error|banned)"/g)].map(
        ([, event]) => `server_${event}`,
      ),
    );
    expect(sent.length).toBeGreaterThan(5);
    expect(sent.filter((event) => !messages.includes(event))).toEqual([]);
    const listeners = sourceOf("realtime/listeners.ts");
    const taken = [...listeners.matchAll(/^ {4}([a-z_]+): \{/gm)].map(([, event]) => `client_${event}`);
    expect(taken).toContain("client_join_room");
    expect(taken.filter((event) => !messages.includes(event))).toEqual([]);
  });
});

describe("the running server", () => {
  const mongo = mongoUrl("guard-api");
  let redis: RedisServer;
  let chat: Chat;
  let client: mongoose.mongo.MongoClient;

  beforeAll(async () => {
    client = await mongoose.mongo.MongoClient.connect(mongo);
    redis = await startRedisServer();
    chat = await startChat({ env: { MONGODB_URL: mongo, REDIS_URL: redis.url } });
  });
  afterAll(async () => {
    await chat?.stop();
    await redis?.close();
    await client?.close();
    await dropDatabase(mongo);
  });

  /** A browser whose every answer is held against the reference; `wrong` and `seen` are filled on the way. */
  const wrong: string[] = [];
  const seen = new Set<string>();
  function visitor() {
    const browser = createBrowser(chat.url);
    async function ask(method: "GET" | "POST", path: string, status: number, body?: unknown) {
      const answer = await (method === "GET" ? browser.get(path) : browser.post(path, body));
      if (answer.status !== status) wrong.push(`${method} ${path}: ${answer.status} instead of ${status}`);
      wrong.push(...objections(method, path, answer));
      const template = path
        .split("?")[0]
        ?.replace(/(admin\/users)\/[^/]+/, "$1/{id}")
        .replace(/(channels)\/[^/]+/, "$1/{id}");
      if (answer.status < 400) seen.add(`${method} ${template}`);
      return answer;
    }
    return { browser, ask };
  }

  it("answers as the reference says, on every route", async () => {
    const ada = visitor();
    const person = (nickname: string) => ({ nickname, email: `${nickname}@example.com`, password });
    await ada.ask("POST", "/api/register", 400, { nickname: "x", email: "nobody" });
    const { body } = await ada.ask("POST", "/api/register", 201, person("ada-api"));
    await ada.ask("POST", "/api/register", 409, person("ada-api"));
    await ada.ask("GET", "/api/channels", 401);
    ada.browser.token = body.token;
    await ada.ask("POST", "/api/login", 400, { identifier: "ada-api", password: "wrong" });
    await ada.ask("POST", "/api/login", 200, { identifier: "ada-api", password });
    await ada.ask("GET", "/api/channels", 200);
    await ada.ask("POST", "/api/channels", 201, { name: "Reference", type: "text", description: "what is written" });
    await ada.ask("POST", "/api/channels", 400, { name: "", type: "radio" });
    await ada.ask("GET", "/api/channels/reference/messages?limit=10", 200);
    await ada.ask("GET", "/api/channels/nowhere/messages", 404);
    await ada.ask("GET", "/api/users", 200);
    await ada.ask("GET", "/api/users?sort=lastActive&limit=1", 200);
    await ada.ask("GET", "/api/users?sort=age", 400);
    await ada.ask("GET", "/api/users/online", 200);
    await ada.ask("GET", "/api/emoji/classics?limit=5", 200);
    await ada.ask("GET", "/api/admin/users", 403);

    const bob = visitor();
    const { body: entry } = await bob.ask("POST", "/api/register", 201, person("bob-api"));
    await client
      .db()
      .collection("users")
      .updateOne({ nickname: "ada-api" }, { $set: { role: "admin" } });
    const target = `/api/admin/users/${entry.user.id}`;
    await ada.ask("GET", "/api/admin/users?page=1&limit=1", 200);
    await ada.ask("POST", `${target}/warn`, 200, { reason: "a test" });
    await ada.ask("POST", `${target}/mute`, 200, { duration: 60 });
    await ada.ask("POST", `${target}/mute`, 400, { duration: 1 });
    await ada.ask("POST", `${target}/unmute`, 200);
    await ada.ask("POST", `${target}/role`, 200, { role: "member" });
    await ada.ask("POST", `${target}/ban`, 200, { reason: "a test" });
    await bob.ask("POST", "/api/login", 403, { identifier: "bob-api", password });
    await ada.ask("POST", `${target}/unban`, 200);
    await ada.ask("POST", "/api/admin/users/ffffffffffffffffffffffff/unban", 404);

    await bob.ask("POST", "/api/login", 200, { identifier: "bob-api", password });
    await bob.ask("POST", "/api/logout_session", 200);
    await bob.ask("POST", "/api/logout_complete", 200);
    ada.browser.token = (await ada.ask("POST", "/api/login", 200, { identifier: "ada-api", password })).body.token;
    await ada.ask("POST", "/api/logout", 200);
    await ada.ask("GET", "/api/users", 401);

    const { ask } = visitor();
    for (const path of ["/health", "/health/live", "/health/ready", "/health/redis", "/api/health/redis", "/metrics"])
      await ask("GET", path, 200);
    expect((await ask("GET", "/api-docs.json", 200)).body).toEqual(openApi);
    expect((await ask("GET", "/api-docs/sockets.json", 200)).body).toEqual(asyncApi);

    expect(wrong).toEqual([]);
    expect(operations.filter((operation) => !seen.has(operation))).toEqual([]);
  });

  it("sends what the reference says, over sockets", async () => {
    const town = createTown(chat.url);
    try {
      const [one, two] = [await town.person("one"), await town.person("two")];
      const [room, voice] = [await town.channel(one), await town.channel(one, "voice")];
      const [a, b] = [await one.tab(), await two.tab()];
      const ears = [a, b];
      a.emit("join_room", { room });
      await a.hears("history");
      b.emit("join_room", { room });
      await b.hears("history");
      await a.hears("online_users", (members) => members.length === 2);
      a.emit("message", { text: "good morning" });
      await b.hears("message", ({ type }) => type === "public");
      a.emit("private_message", { to: two.nickname, text: "a secret" });
      await b.hears("private_message");
      await a.hears("private_message");
      a.emit("get_history");
      await a.hears("history", (entries) => entries.some(({ type }: { type: string }) => type === "private"));
      a.emit("speaking", { speaking: true });
      await b.hears("speaking");
      a.emit("join_voice_channel", { channelId: voice });
      await a.hears("voice_joined");
      b.emit("join_voice_channel", { channelId: voice });
      const { socketId } = await a.hears("user_joined_voice");
      a.emit("voice_offer", { offer: { sdp: "x" }, targetSocketId: socketId });
      await b.hears("voice_offer");
      a.emit("voice_answer", { answer: { sdp: "x" }, targetSocketId: socketId });
      await b.hears("voice_answer");
      a.emit("ice_candidate", { candidate: { line: "x" }, targetSocketId: socketId });
      await b.hears("ice_candidate");
      b.emit("leave_voice_channel");
      await a.hears("user_left_voice");
      await b.hears("voice_left");
      b.emit("join_voice_channel", { channelId: room });
      await b.hears("voice_error");
      b.emit("join_room", { room: "nowhere" });
      await b.hears("error");

      const own = ["connect", "disconnect", "connect_error"];
      const heard = ears.flatMap((ear) => ear.heard).filter(({ event }) => !own.includes(event));
      expect(heard.flatMap(({ event, payload }) => eventObjections(event, payload))).toEqual([]);
      const told = new Set(heard.map(({ event }) => `server_${event}`));
      const documented = Object.keys(asyncApi.components.messages).filter((name) => name.startsWith("server_"));
      expect(documented.filter((name) => !told.has(name))).toEqual(["server_banned"]);
    } finally {
      town.leave();
    }
  });

  it("would be told of an answer that is not as the reference says", () => {
    const headers = new Headers({ "Content-Type": "application/json; charset=utf-8" });
    const channel = { id: "a", name: "A", type: "text", createdBy: "system", position: 0 };
    expect(objections("GET", "/api/channels", { status: 200, headers, body: [channel] })).toEqual([]);
    expect(objections("GET", "/api/channels", { status: 200, headers, body: [{ ...channel, type: 1 }] })).not.toEqual(
      [],
    );
    expect(objections("GET", "/api/channels", { status: 418, headers, body: {} })).not.toEqual([]);
    expect(objections("GET", "/api/elsewhere", { status: 200, headers, body: {} })).not.toEqual([]);
    expect(eventObjections("speaking", { nickname: "" })).not.toEqual([]);
  });
});
