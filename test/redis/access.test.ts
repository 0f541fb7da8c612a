import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { createServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { adapterClient } from "../../src/redis/facades/adapter.ts";
import { createLimiter } from "../../src/redis/limiter.ts";
import type { Script } from "../../src/redis/types.ts";
import { certificates, passport } from "../support/certificates.ts";
import { rulesOfTheChat } from "../support/deployment.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { cachedRedisServers, redisBinary } from "../support/redis-binary.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const SECRET = "geheim-7Q";
const opened: OpenedDoor[] = [];
function open(env: Record<string, string>): OpenedDoor {
  const one = openDoor({ ...patient, ...env });
  opened.push(one);
  return one;
}

/** Down, and why: a machine too busy to connect at once has another first word, and is asked anew. */
async function down(env: Record<string, string>): Promise<OpenedDoor> {
  return until(
    async () => {
      const one = open(env);
      await one.is("down");
      return one.path()[0] === "down" ? one : undefined;
    },
    { describe: "a door that is not let in" },
  );
}

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** Nothing that leaves the door holds the password. */
async function expectNoSecret({ door, log }: OpenedDoor): Promise<void> {
  const error = ({ fields }: { fields: { err?: Error } }) => `${fields.err?.message} ${fields.err?.cause}`;
  const told = [JSON.stringify(log.lines), ...log.lines.map(error), JSON.stringify(await door.health())].join("\n");
  expect(told).not.toContain(SECRET);
}

describe("a user with the least rights", async () => {
  const binaries = [...new Set([await redisBinary(), ...(await cachedRedisServers())])];

  it.each(binaries)("can do all that the door does: %s", async (binary) => {
    const server = await startRedisServer({ binary });
    try {
      await server.ask("ACL", "SETUSER", "sluice", "on", `>${SECRET}`, ...rulesOfTheChat());
      const one = open({ REDIS_URL: `redis://sluice:${SECRET}@127.0.0.1:${server.port}/0` });
      await one.is("up");
      const { door } = one;
      const adapter = adapterClient(door);
      await adapter.pSubscribe("socket.io#/#*", () => {}, true);
      await adapter.subscribe(["socket.io-request#/#", "socket.io-response#/#"], () => {}, true);
      const updates = door.subscribe("updates:messages", () => {});
      const add: Script = { name: "add", keys: 1, lua: "return redis.call('incr', KEYS[1])" };
      const limiter = createLimiter({ name: "login", limit: { points: 5, seconds: 60 }, door });
      await until(() => adapter.live && updates.live);

      expect(await door.script(add, ["session:n"], [])).toEqual({ ok: true, value: 1 });
      expect((await limiter.consume("k")).remaining).toBe(4);
      expect((await limiter.peek("k")).remaining).toBe(4);
      await limiter.forget("k");
      expect(await adapter.sendCommand(["PUBSUB", "NUMSUB", "socket.io-request#/#"])).toEqual([
        "socket.io-request#/#",
        1,
      ]);
      expect(await adapter.publish("socket.io#/#", "x")).toBe(1);
      const side = await door.call("side", (redis) => redis.hSet("{cache:users:list}:profiles", "a", "1"));
      const keys = await door.call("scan", (redis) => redis.scan("0", { MATCH: "cache:*" }), { lane: "heavy" });
      const time = await door.call("time", (redis) => redis.time());
      expect([side, keys, time].map(({ ok }) => ok)).toEqual([true, true, true]);
      // Two full heartbeats, with everything they ask.
      const beats = async () => Number(await server.ask("HGET", "cache:sluice:canary", "count"));
      const before = await beats();
      await until(async () => (await beats()) >= before + 4);
      expect(door.state).toBe("up");
      expect(one.path()).toEqual(["up"]);
      // The path was of the states already.
      const others = one.log.lines.filter(({ fields }) => !("to" in fields));
      expect(others.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);

      const foreign = await door.call("foreign", (redis) => redis.get("elsewhere"));
      expect(foreign).toMatchObject({ ok: false, reason: "refused", unknownOutcome: false });
      expect(await door.health()).toMatchObject({ state: "degraded", reason: expect.stringMatching(/NOPERM/) });
      await expectNoSecret(one);
    } finally {
      for (const one of opened.splice(0)) await one.close();
      await server.close();
    }
  });
});

describe("a door that is not let in", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer({ args: ["--requirepass", SECRET] });
  });
  afterAll(() => server.close());
  // Such a server gives no answer at all.
  const hasty = { REDIS_CONNECT_TIMEOUT: "300ms" };
  const url = (credentials: string) => `redis://${credentials}127.0.0.1:${server.port}`;

  it.each([
    ["no password", () => ({ REDIS_URL: url("") }), /NOAUTH.*REDIS_PASSWORD/],
    ["a wrong password", () => ({ REDIS_URL: url(`:${SECRET}x@`) }), /WRONGPASS/],
    ["an unknown user", () => ({ REDIS_URL: url(`nobody:${SECRET}@`) }), /WRONGPASS/],
    ["a host that does not exist", () => ({ REDIS_HOST: "redis.invalid", REDIS_PASSWORD: SECRET }), /host name/],
    ["a port where nobody listens", () => ({ REDIS_URL: `redis://:${SECRET}@127.0.0.1:1` }), /refused/],
    ["another protocol", () => ({ REDIS_URL: `rediss://:${SECRET}@127.0.0.1:${server.port}`, ...hasty }), /redis:\/\//],
    [
      "no such database",
      () => ({ REDIS_URL: `${url(`:${SECRET}@`)}/99` }),
      /database of that number.*REDIS_DB.*REDIS_URL/,
    ],
  ])("says why, without the secret: %s", async (_, env, reason) => {
    const one = await down(env());
    expect((await one.door.health()).reason).toMatch(reason);
    expect(one.log.lines).toHaveLength(1);
    expect(one.log.lines[0]?.message).toMatch(reason);
    expect(one.log.lines[0]?.message).toMatch(/^Redis at (127\.0\.0\.1|redis\.invalid):\d+ is out; /);
    await expectNoSecret(one);
  });

  it("says in the log why, also when that is known after it was given up, and each reason once", async () => {
    const front = createTcpServer((socket) => void socket.on("error", () => undefined));
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const { port } = front.address() as AddressInfo;
    try {
      const one = open({
        REDIS_URL: `rediss://127.0.0.1:${port}`,
        REDIS_CONNECT_TIMEOUT: "1s",
        REDIS_BACKOFF_MAX: "50ms",
      });
      let failures = 0;
      one.door.events.on("attempt", ({ ok }) => void (ok || failures++));
      await until(() => failures >= 2, { timeoutMs: 15_000 });
      expect(one.log.lines.map(({ message }) => message)).toEqual([
        `Redis at 127.0.0.1:${port} is out; going on without it (no server has answered yet)`,
        expect.stringMatching(/^Redis at 127\.0\.0\.1:\d+ is still out \(.*if it speaks none, use redis:\/\//),
      ]);
    } finally {
      front.close();
    }
  });

  it("leaves the error itself to the log, but for one that repeats the password", async () => {
    const nobody = await down({ REDIS_URL: "redis://127.0.0.1:1" });
    expect(nobody.log.lines[0]?.fields).toMatchObject({ err: { code: "ECONNREFUSED" } });
    const old = await startRedisServer({ args: ["--rename-command", "HELLO", ""] });
    try {
      const one = await down({ REDIS_URL: old.url, REDIS_PASSWORD: SECRET });
      expect(one.log.lines[0]?.message).toMatch(/does not know a command/);
      await expectNoSecret(one);
    } finally {
      await old.close();
    }
  });

  it("is let in with host, password and database", async () => {
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port), REDIS_PASSWORD: SECRET, REDIS_DB: "3" };
    const one = open(env);
    await one.is("up");
    await one.door.call("set", (redis) => redis.set("cache:where", "here"));
    expect(await server.info("db3")).toMatch(/keys=/);
    await expectNoSecret(one);
  });

  it("may not see into the server: down, with the right that is missing", async () => {
    await server.ask("ACL", "SETUSER", "blind", "on", `>${SECRET}`, "~*", "&*", "+@all", "-info");
    const one = await down({ REDIS_URL: url(`blind:${SECRET}@`) });
    expect((await one.door.health()).reason).toMatch(/NOPERM/);
  });
});

describe("TLS", () => {
  let server: RedisServer;
  let port = 0;
  const front = createServer(passport(), (outer) => {
    const inner = connect(server.port, "127.0.0.1");
    for (const socket of [outer, inner])
      socket
        .on("error", () => undefined)
        .on("close", () => {
          outer.destroy();
          inner.destroy();
        });
    outer.pipe(inner).pipe(outer);
  });
  beforeAll(async () => {
    server = await startRedisServer();
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const address = front.address();
    port = typeof address === "object" && address ? address.port : 0;
  });
  afterAll(async () => {
    front.close();
    await server.close();
  });

  it.each([
    ["a URL", () => ({ REDIS_URL: `rediss://127.0.0.1:${port}` })],
    ["a host name", () => ({ REDIS_HOST: "localhost", REDIS_PORT: String(port), REDIS_TLS: "true" })],
  ])("is trusted by its authority: %s", async (_, env) => {
    const one = open({ ...env(), REDIS_CA_FILE: certificates.authority });
    await one.is("up");
    const subscription = one.door.subscribe("updates:tls", () => {});
    await until(() => subscription.live);
    expect((await one.door.call("get", (redis) => redis.get("cache:a"))).ok).toBe(true);
  });

  it.each([
    ["a server", () => ({ REDIS_URL: `rediss://127.0.0.1:${port}` })],
    ["sentinels", () => ({ REDIS_SENTINEL: `mymaster@127.0.0.1:${port}`, REDIS_TLS: "true" })],
  ])("is refused when nobody vouches for %s", async (_, env) => {
    for (const authority of [{}, { REDIS_CA_FILE: certificates.stranger }]) {
      const one = await down({ ...env(), ...authority });
      expect((await one.door.health()).reason).toMatch(/certificate is not trusted.*REDIS_CA_FILE/);
    }
  });

  it("is refused under a name that the certificate does not have", async () => {
    const one = await down({ REDIS_URL: `rediss://127.1:${port}`, REDIS_CA_FILE: certificates.authority });
    expect((await one.door.health()).reason).toMatch(/certificate is for another host/);
  });
});
