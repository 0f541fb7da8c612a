import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type OwnMongod, startMongod } from "../support/mongod.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { stopwatch } from "../support/stopwatch.ts";
import { until } from "../support/until.ts";
import { type Instance, startInstance } from "./instance.ts";

/** How long a request takes, in ms: the median, as other work on the machine may hold up any single one. */
async function usual(instance: Instance, path: string, times = 21): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < times; round++) {
    const elapsed = stopwatch();
    await (await instance.get(path)).arrayBuffer();
    took.push(elapsed());
  }
  return took.sort((a, b) => a - b)[(times - 1) / 2] ?? Number.NaN;
}

/** The answer once it is this one: between two looks a busy machine may hold up what is looked at. */
function once(instance: Instance, path: string, code: number, status: string, words = /^/) {
  return until(
    async () => {
      const answer = await instance.health(path);
      const { body } = answer;
      return answer.code === code && body.status === status && words.test(body.output ?? "") ? answer : undefined;
    },
    { timeoutMs: 15_000, describe: `${code} ${status} ${words} from ${path}` },
  );
}

describe("the health of an instance", () => {
  let mongod: OwnMongod;
  let redis: RedisServer;
  let instance: Instance;
  const redisIs = (status: "pass" | "warn" | "fail") =>
    once(instance, "/health/redis", status === "fail" ? 503 : 200, status);

  beforeAll(async () => {
    [mongod, redis] = await Promise.all([startMongod(), startRedisServer()]);
    instance = await startInstance({ MONGODB_URL: mongod.url, REDIS_URL: redis.url });
  });
  afterAll(async () => {
    await instance.close();
    await Promise.all([mongod.remove(), redis.close()]);
  });
  afterEach(() => {
    instance.state.phase = "serving";
  });

  it("answers the old question as the old server did", async () => {
    const { code, headers, body } = await instance.health("/health");
    expect(code).toBe(200);
    expect(headers.get("content-type")).toMatch(/^application\/json/);
    expect(body).toEqual({ status: "healthy", timestamp: expect.any(String), uptime: expect.any(Number) });
    expect(new Date(body.timestamp).toISOString()).toBe(body.timestamp);
  });

  it("lives from the first moment to the last", async () => {
    for (const phase of ["starting", "serving", "draining"] as const) {
      instance.state.phase = phase;
      expect(await instance.health("/health/live")).toMatchObject({ code: 200, body: { status: "pass" } });
    }
  });

  it("is ready only while it serves", async () => {
    await until(async () => (await instance.health("/health/ready")).code === 200);
    for (const phase of ["starting", "draining"] as const) {
      instance.state.phase = phase;
      const { code, body } = await instance.health("/health/ready");
      expect([code, body.status, body.output]).toEqual([503, "fail", `The instance is ${phase}`]);
    }
  });

  it("shows the figures of Redis and MongoDB, for programs and without caching", async () => {
    for (const path of ["/health/redis", "/api/health/redis", "/health/ready", "/health/redis/"]) {
      const { headers, body } = await once(instance, path, 200, "pass");
      expect(headers.get("content-type")).toMatch(/^application\/health\+json/);
      expect(headers.get("cache-control")).toBe("no-store");
      expect(body).toMatchObject({ status: "pass", serviceId: "one", releaseId: "1.2.3" });
      expect(body.checks["redis:responseTime"][0]).toMatchObject({ observedUnit: "ms" });
      expect(body.checks["redis:responseTime"][0].observedValue).toBeGreaterThan(0);
      expect(body.checks["redis:role"][0].observedValue).toBe("master");
      expect(body.checks["redis:connections"][0]).toMatchObject({ componentId: "open" });
      expect(body.checks["redis:memory"][0]).toMatchObject({ componentId: "used", observedUnit: "bytes" });
      expect(body.checks["mongo:responseTime"][0].observedValue).toBeGreaterThan(0);
      expect(Date.now() - Date.parse(body.checks["mongo:responseTime"][0].time)).toBeLessThan(5_000);
      expect(body.checks["changeStream:lag"][0]).toMatchObject({ componentId: "settings" });
    }
  });

  it("tells strangers no address, password or path", async () => {
    const texts = await Promise.all(
      ["/health", "/health/live", "/health/ready", "/health/redis"].map(async (p) => (await instance.get(p)).text()),
    );
    for (const text of texts) {
      expect(text).not.toContain("127.0.0.1");
      expect(text).not.toContain(String(redis.port));
      expect(text).not.toMatch(/:\/\/|node_modules|\bat \//);
    }
  });

  it("answers HEAD without a body, sets no cookie, and leaves everything else alone", async () => {
    const head = await instance.get("/health/redis", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await instance.get("/health")).headers.get("set-cookie")).toBeNull();
    expect((await instance.get("/health", { method: "POST" })).status).toBe(404);
    expect((await instance.get("/healthy")).status).toBe(404);
  });

  it("asks Redis and MongoDB no oftener when it is asked a thousand times", async () => {
    const stats = async () => String(await redis.ask("INFO", "commandstats"));
    const pings = async () => Number(/cmdstat_ping:calls=(\d+)/.exec(await stats())?.[1] ?? 0);
    const asked = async () => Number((await instance.db.admin().serverStatus()).metrics.commands.ping.total);
    const began = performance.now();
    const before = [await pings(), await asked()];
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 100 }, async () => (await instance.get("/health/ready")).arrayBuffer()));
    const after = [await pings(), await asked()];
    const seconds = (performance.now() - began) / 1_000;
    for (const [index, count] of after.entries())
      expect(count - (before[index] ?? 0)).toBeLessThanOrEqual(Math.ceil(seconds) + 2);
  });

  it("names what may become an outage, and Redis goes on to be in use", { timeout: 90_000 }, async () => {
    await redisIs("pass");
    const says = async (words: RegExp) => {
      await until(() => instance.ops.amiss().some((one) => words.test(one)), {
        timeoutMs: 20_000,
        describe: () => `${words} among: ${instance.ops.amiss()}`,
      });
      await until(async () => words.test(JSON.stringify((await redisIs("pass")).body.checks)), { timeoutMs: 20_000 });
    };
    await redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl");
    await redis.ask("CONFIG", "SET", "maxmemory", Math.round(Number(await redis.info("used_memory")) * 1.1));
    await says(/Redis uses \d+ % of the memory it may use/);
    await redis.relieve();
    const crowd = Array.from({ length: 20 }, () => connect(redis.port, "127.0.0.1"));
    await until(async () => Number(await redis.info("connected_clients")) > crowd.length);
    await redis.ask("CONFIG", "SET", "maxclients", Number(await redis.info("connected_clients")) + 2);
    await says(/Redis has \d+ clients, and takes \d+/);
    for (const one of crowd) one.destroy();
    await until(() => redis.ask("CONFIG", "SET", "maxclients", 10_000).catch(() => undefined));
    await redis.ask("SET", "cache:wrong", "a text");
    const wrongly = () => instance.door.call("test", (commands) => commands.hGetAll("cache:wrong"));
    const asking = setInterval(() => void wrongly(), 100);
    await says(/\d+ % of the calls to Redis bring nothing/);
    clearInterval(asking);
    await until(() => instance.ops.amiss().length === 0, {
      timeoutMs: 30_000,
      describe: () => `nothing: ${instance.ops.amiss()}`,
    });
  });

  it("warns within a second or so when Redis freezes, answers fast meanwhile, and is strict on demand", async () => {
    await redisIs("pass");
    redis.freeze();
    const elapsed = stopwatch();
    try {
      await redisIs("warn");
      expect(elapsed()).toBeLessThan(2_500);
      const words = /^Redis is (down|recovering) \(.+\); MongoDB serves$/;
      await once(instance, "/health/redis", 200, "warn", words);
      await once(instance, "/health/redis?strict=1", 503, "warn", words);
      await once(instance, "/health/redis?strict=0", 200, "warn", words);
      await once(instance, "/health/ready", 200, "warn");
      expect(await usual(instance, "/health/redis")).toBeLessThan(50);
    } finally {
      redis.thaw();
    }
    await once(instance, "/health/redis?strict=1", 200, "pass");
  });

  it("is not ready within two seconds or so of a freeze of MongoDB, and answers fast meanwhile", async () => {
    mongod.freeze();
    const elapsed = stopwatch();
    try {
      await until(async () => (await instance.health("/health/ready")).code === 503);
      expect(elapsed()).toBeLessThan(3_000);
      const { body } = await instance.health("/health/ready");
      expect(body.output).toBe("MongoDB does not answer");
      expect(body.checks["mongo:responseTime"][0].status).toBe("fail");
      await until(() => instance.ops.amiss().join() === "MongoDB does not answer", {
        describe: () => `one thing amiss: ${instance.ops.amiss()}`,
      });
      expect((await instance.health("/health/live")).code).toBe(200);
      await redisIs("pass");
      expect(await usual(instance, "/health/ready")).toBeLessThan(50);
    } finally {
      mongod.thaw();
    }
    await until(async () => (await instance.health("/health/ready")).code === 200, { timeoutMs: 15_000 });
  });

  it("fails when neither Redis nor MongoDB answers", async () => {
    redis.freeze();
    mongod.freeze();
    try {
      await redisIs("fail");
      expect((await instance.health("/health/redis")).code).toBe(503);
    } finally {
      redis.thaw();
      mongod.thaw();
    }
    await until(async () => (await instance.health("/health/redis")).code === 200, { timeoutMs: 15_000 });
  });

  it("shows what other rooms say of themselves, and waits for what they need", async () => {
    const { checks } = instance.ops;
    let well = true;
    const remove = [
      checks.add("cache:users", () => [
        { id: "hit_ratio", value: 0.93 },
        { id: "enabled", value: true },
      ]),
      checks.add("sessions:fallback", () => ({ value: "mongo", status: well ? "pass" : "fail" }), { needed: true }),
      checks.add("bus:lag", () => Promise.reject(new Error("secret://words"))),
      checks.add("voice:lag", () => new Promise(() => undefined)),
    ];
    try {
      expect(() => checks.add("bus:lag", () => ({}))).toThrow(/already/);
      const seen = await until(async () => {
        const { body } = await instance.health("/health/redis");
        return body.checks["voice:lag"][0].status === "fail" ? body : undefined;
      });
      expect(seen.checks["cache:users"].map((entry: { observedValue: unknown }) => entry.observedValue)).toEqual([
        0.93,
        true,
      ]);
      expect(seen.checks["bus:lag"][0]).toMatchObject({ status: "fail", output: "the check failed" });
      expect(seen.checks["voice:lag"][0]).toMatchObject({ output: "no answer in time" });
      expect(JSON.stringify(seen)).not.toContain("secret");
      await once(instance, "/health/ready", 200, "pass");
      well = false;
      await once(instance, "/health/ready", 503, "fail", /^Not well: sessions:fallback$/);
    } finally {
      for (const end of remove) end();
    }
    expect((await instance.health("/health/redis")).body.checks["bus:lag"]).toBeUndefined();
  });
});

describe("an instance without any Redis", () => {
  it("says so and is ready", async () => {
    const mongod = await startMongod();
    const instance = await startInstance({ MONGODB_URL: mongod.url });
    try {
      await until(async () => (await instance.health("/health/ready")).code === 200);
      instance.ops.watchPresence(() => ({ online: 3, instances: 1, sets: 1, shared: false, asserted: 0, reaped: 0 }));
      await once(instance, "/health/redis", 200, "warn", /^No Redis is configured; MongoDB serves$/);
      const presence = () => until(async () => (await instance.health("/health/redis")).body.checks.presence?.[2]);
      expect(await presence()).toMatchObject({ componentId: "shared", observedValue: false, status: "warn" });
      expect(instance.ops.amiss().filter((words) => words.includes("presence"))).toEqual([]);
      expect(await instance.metric("chat_redis_disabled")).toBe(0);
      expect(await instance.metric("chat_redis_up")).toBe(0);
    } finally {
      await instance.close();
      await mongod.remove();
    }
  });
});
