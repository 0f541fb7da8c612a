import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import mongoose from "mongoose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { audit, type Stored } from "../../drills/realtime/audit.ts";
import { createVisitor, type Visitor } from "../../drills/realtime/visitor.ts";
import { quick } from "../support/chat.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { root } from "../support/files.ts";
import { createBrowser } from "../support/http.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { createEar, credentialsOf, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const mongo = mongoUrl("serve");
const data = mkdtempSync(join(tmpdir(), "sluice-serve-"));
let redis: RedisServer;
let program: ChildProcess;
let text = "";
let url = "";
const people: Visitor[] = [];

const ports = () =>
  [...text.matchAll(/^instance-\d+ listens on http:\/\/127\.0\.0\.1:(\d+)/gm)].map(([, port]) => port);
const answers = (port = "") =>
  fetch(`http://127.0.0.1:${port}/health/live`).then(
    () => true,
    () => false,
  );

beforeAll(async () => {
  redis = await startRedisServer();
  const { PATH = "", HOME = "" } = process.env;
  const cli = join(root, "dist/src/cli.js");
  program = spawn(process.execPath, ["--enable-source-maps", cli, "serve", "--instances", "3"], {
    env: { PATH, HOME, ...quick, DATA_DIR: data, MONGODB_URL: mongo, REDIS_URL: redis.url },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [program.stdout, program.stderr])
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  url = await until(() => /ready at (http:\S+)/.exec(text)?.[1], { timeoutMs: 90_000, describe: () => text });
}, 120_000);

afterAll(async () => {
  for (const visitor of people) visitor.close();
  if (program?.exitCode === null) {
    const exit = once(program, "exit");
    program.kill("SIGTERM");
    await exit;
  }
  await redis?.close();
  await dropDatabase(mongo);
  rmSync(data, { recursive: true, force: true });
}, 60_000);

/** The processes of all instances, or of one. */
function pidsOf(name = "instance-"): string[] {
  const is = (pid: string) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      return environment.includes(`SERVER_ID=${name}`) && environment.includes(`DATA_DIR=${data}`);
    } catch {
      return false;
    }
  };
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && is(pid));
}

async function roomsAsStored(): Promise<Map<string, Stored[]>> {
  const client = await mongoose.mongo.MongoClient.connect(mongo);
  const found = await client.db().collection("messages").find().sort({ timestamp: 1, _id: 1 }).toArray();
  await client.close();
  const list = found.map(({ _id, text, type, author, target, timestamp }) => ({
    ...{ id: String(_id), text, type, author, target },
    at: timestamp.getTime(),
  }));
  return new Map([["general", list]]);
}

it("keeps a client at one instance, by its cookie, over HTTP, polling and WebSocket", async () => {
  const browser = createBrowser(url);
  await browser.register("sticky");
  expect(browser.cookie).toMatch(/sluice_instance=instance-[123]/);
  const asked = await Promise.all(
    Array.from({ length: 6 }, async () => (await browser.get("/api/channels")).headers.getSetCookie().join()),
  );
  expect(asked.join()).not.toContain("sluice_instance");
  for (const transports of [["polling"], ["websocket"]] as const) {
    const ear = createEar(url, { ...credentialsOf(browser), transports: [...transports] });
    expect(await open(ear)).toBe("connected");
    expect(await ear.join("general")).toBeInstanceOf(Array);
    ear.close();
  }
});

it("keeps the metrics of its instances from whoever comes through it", async () => {
  for (const path of ["/metrics", "/metrics/", "/metrics?x", "//metrics", "/%6Detrics"]) {
    const { status, body } = await createBrowser(url).get(path);
    expect([path, status]).toEqual([path, 403]);
    expect(body.message).toMatch(/^The metrics are not public here/);
  }
  const raw = connect(Number(new URL(url).port), "127.0.0.1");
  raw.end("GET http://elsewhere/metrics HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n");
  expect(await new Response(Readable.toWeb(raw) as ReadableStream).text()).toMatch(/^HTTP\/1\.1 403 /);
  expect((await createBrowser(url).get("/health/live")).status).toBe(200);
});

it("is restarted instance by instance under load: nothing is lost, and nobody logged out", async () => {
  for (let i = 0; i < 12; i++) {
    const browser = createBrowser(url);
    await browser.register(`walker-${i}`);
    const credentials = credentialsOf(browser);
    const [name, room, pick] = [`walker-${i}`, "general", () => url];
    people.push(createVisitor({ name, room, credentials, pick, onArrival() {} }));
  }
  await until(() => people.every(({ settled }) => settled), { timeoutMs: 30_000 });
  const before = ports();
  program.kill("SIGHUP");
  let said = 0;
  await until(
    () => {
      people[said % people.length]?.say(`step ${said++}`);
      return text.includes("All instances were restarted");
    },
    { timeoutMs: 120_000, describe: () => text },
  );
  expect(ports().slice(before.length)).toHaveLength(3);
  const examine = async () => audit(people, await roomsAsStored());
  const good = async () => Object.values((await examine()).counts).every((count) => count === 0);
  await until(good, { timeoutMs: 20_000, everyMs: 300 }).catch(() => undefined);
  const { counts, examples } = await examine();
  expect({ wrong: Object.entries(counts).filter(([, count]) => count > 0), examples }).toEqual({
    wrong: [],
    examples: [],
  });
  const sentAway = people.map(({ reasons }) => reasons["io server disconnect"] ?? 0);
  expect(Math.min(...sentAway)).toBeGreaterThan(0);
  expect(people.flatMap(({ reasons }) => Object.keys(reasons))).not.toContain("transport close");
}, 180_000);

it("starts an instance again that ended by itself", async () => {
  const ended = () => text.split("\n").filter((line) => /has ended by itself/.test(line)).length;
  const count = ports().length;
  const { body } = await createBrowser(`http://127.0.0.1:${ports().at(-1)}`).get("/metrics");
  expect(String(body)).toContain("chat_redis_up");
  expect(ended()).toBe(0);
  process.kill(Number(pidsOf("instance-2")[0]), "SIGKILL");
  await until(() => ports().length === count + 1 && ended() === 1, { timeoutMs: 60_000, describe: () => text });
}, 90_000);

it("ends everything on SIGTERM, an instance that is just being started, too", async () => {
  const old = pidsOf("instance-1");
  const known = ports().length;
  program.kill("SIGHUP");
  const fresh = () => pidsOf("instance-1").some((pid) => !old.includes(pid));
  await until(fresh, { timeoutMs: 30_000, everyMs: 5, describe: () => text });
  expect(ports()).toHaveLength(known);
  const exit = once(program, "exit");
  program.kill("SIGTERM");
  await exit;
  expect(program.exitCode).toBe(0);
  for (const port of ports()) expect(await answers(port)).toBe(false);
  expect(pidsOf()).toEqual([]);
});
