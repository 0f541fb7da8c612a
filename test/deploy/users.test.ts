import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { redisInEveryRequest } from "../support/contract-redis.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Deployed, type DeployedSecrets, deploy, makeSecrets } from "../support/deployment.ts";
import { patient } from "../support/door.ts";
import { createBrowser } from "../support/http.ts";
import { cachedRedisServers, redisBinary } from "../support/redis-binary.ts";
import { ask } from "../support/resp.ts";
import { type Forbidden, notRefused } from "../support/rights.ts";
import { createTown } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const binaries = [...new Set([await redisBinary(), ...(await cachedRedisServers())])];

/** What the chat's user is refused; each of these would read or change what is not the chat's. */
const forbidden: readonly Forbidden[] = [
  ["list all keys", "KEYS", "*"],
  ["empty a database", "FLUSHDB"],
  ["empty all of them", "FLUSHALL"],
  ["swap them", "SWAPDB", "0", "1"],
  ["read the configuration", "CONFIG", "GET", "maxmemory"],
  ["change the configuration", "CONFIG", "SET", "maxmemory", "1"],
  ["stop the server", "SHUTDOWN", "NOSAVE"],
  ["write snapshots", "SAVE"],
  ["make a replica of it", "REPLICAOF", "127.0.0.1", "1"],
  ["follow it", "PSYNC", "?", "-1"],
  ["listen to everybody", "MONITOR"],
  ["see who is connected", "CLIENT", "LIST"],
  ["cut others off", "CLIENT", "KILL", "TYPE", "normal"],
  ["see the users", "ACL", "LIST"],
  ["make users", "ACL", "SETUSER", "me", "on", "nopass", "+@all"],
  ["load modules", "MODULE", "LIST"],
  ["debug it", "DEBUG", "SLEEP", "0"],
  ["forget all scripts", "SCRIPT", "FLUSH"],
  ["move keys away", "MIGRATE", "127.0.0.1", "1", "cache:a", "0", "10"],
  ["bring keys in by their bytes", "RESTORE", "cache:a", "0", "x"],
  ["read the slow log", "SLOWLOG", "GET"],
  ["read a foreign key", "GET", "elsewhere"],
  ["write a foreign key", "SET", "elsewhere", "1"],
  ["read one beside the own ones", "MGET", "cache:a", "elsewhere"],
  ["rename an own key to a foreign one", "RENAME", "cache:a", "elsewhere"],
  ["read a foreign key in a script", "EVAL", "return redis.call('get', 'elsewhere')", "0"],
  ["do in a script what it may not", "EVAL", "return redis.call('flushall')", "0"],
  ["sort by foreign keys", "SORT", "cache:a", "BY", "elsewhere*"],
  ["speak on a foreign channel", "PUBLISH", "elsewhere", "1"],
  ["hear a foreign channel", "SUBSCRIBE", "elsewhere"],
  ["hear all channels", "PSUBSCRIBE", "*"],
];
const sinceSeven: readonly Forbidden[] = [
  ["keep functions on the server", "FUNCTION", "LOAD", "#!lua name=x\nredis.register_function('f', function() end)"],
  ["take functions away", "FUNCTION", "FLUSH"],
];

/** What no user but the operator may do. */
const forAnybodyElse: readonly Forbidden[] = [
  ...forbidden.filter(([, name, what]) => name !== "PSYNC" && what !== "KILL"),
  ["read the replicas' password", "CONFIG", "GET", "masterauth"],
  ["read all settings", "CONFIG", "GET", "*"],
  ["read an own key", "GET", "cache:a"],
  ["read a session", "GET", "session:a"],
  ["write an own key", "SET", "cache:a", "1"],
  ["run a script", "EVAL", "return 1", "0"],
  ["speak to the instances", "PUBLISH", "updates:a", "1"],
  ["hear the instances", "SUBSCRIBE", "updates:a"],
  ["forget the slow log", "SLOWLOG", "RESET"],
  ["forget the latencies", "LATENCY", "RESET"],
];
const follow: Forbidden = ["follow it", "PSYNC", "?", "-1"];
const cut: Forbidden = ["cut others off", "CLIENT", "KILL", "TYPE", "normal"];
const retire: Forbidden = ["make a replica of it", "SLAVEOF", "127.0.0.1", "1"];
const look: Forbidden = ["look into it", "INFO"];

describe.each(binaries)("the users of the deployment: %s", (binary) => {
  const url = mongoUrl(`deploy-users-${binaries.indexOf(binary)}`);
  let secrets: DeployedSecrets;
  let redis: Deployed;
  let chat: Chat;
  const as = (username: string, file: string) => ({ username, password: secrets.read(file) });

  beforeAll(async () => {
    secrets = await makeSecrets();
    redis = await deploy({ kind: "redis", secrets, binary });
    chat = await startChat({
      env: {
        ...redisInEveryRequest,
        ...patient,
        MONGODB_URL: url,
        REDIS_HOST: "127.0.0.1",
        REDIS_PORT: String(redis.port),
        REDIS_USERNAME: "sluice",
        REDIS_PASSWORD_FILE: `${secrets.folder}/redis_password`,
      },
    });
  });
  afterAll(async () => {
    await chat?.stop();
    await redis?.close();
    await secrets?.remove();
    await dropDatabase(url);
  });

  it("let the chat do all that it does", async () => {
    const state = async () => (await createBrowser(chat.url).get("/health/redis")).body.checks["redis:state"][0];
    await until(async () => (await state()).observedValue === "up", { describe: "Redis to be up" });
    const town = createTown(chat.url);
    try {
      const [ann, bob] = [await town.person("ann"), await town.person("bob")];
      const room = await town.channel(ann);
      const [hers, his] = [await ann.tab(), await bob.tab()];
      await hers.join(room);
      await his.join(room);
      hers.emit("message", { text: "hello" });
      await his.hears("message", ({ text }) => text === "hello");
      hers.emit("private_message", { to: bob.nickname, text: "psst" });
      await his.hears("private_message");
      expect((await town.again(ann)).browser.token).not.toBe("");
      expect((await createBrowser(chat.url).login(ann.nickname, "wrong password")).status).toBe(400);
      expect((await ann.browser.get("/api/users")).status).toBe(200);
      expect((await bob.browser.post("/api/logout")).status).toBe(200);
    } finally {
      town.leave();
    }
    // Two full heartbeats, with everything they ask.
    const beats = async () => Number(await redis.ask("HGET", "cache:sluice:canary", "count"));
    const before = await beats();
    await until(async () => (await beats()) >= before + 4);
    expect(await state()).toMatchObject({ observedValue: "up" });
    expect(await redis.ask("ACL", "LOG")).toEqual([]);
    const keys = (await redis.ask("KEYS", "*")) as string[];
    expect(keys.filter((key) => key.startsWith("session:")).length).toBeGreaterThan(0);
    expect(keys.filter((key) => key.startsWith("cache:limit:")).length).toBeGreaterThan(0);
    // Warnings and errors are lines of JSON; those of a machine too busy to connect, or to answer, say nothing of rights.
    expect(
      chat
        .output()
        .split("\n")
        .filter(
          (line) => line.startsWith("{") && !/no server has answered yet|MongoDB did not answer within/.test(line),
        ),
    ).toEqual([]);
  });

  const newer = async () => Number((await redis.info("redis_version")).split(".")[0]) >= 7;
  it("let it do nothing else", async () => {
    await redis.ask("SET", "elsewhere", "1");
    await redis.ask("SET", "cache:a", "1");
    const all = [...forbidden, ...((await newer()) ? sinceSeven : [])];
    expect(await notRefused(redis.port, as("sluice", "redis_password"), all)).toEqual([]);
    expect(await redis.ask("GET", "elsewhere")).toBe("1");
  });

  it("let the exporter read figures, and no key, setting or command of others", async () => {
    const exporter = as("exporter", "redis_exporter_password");
    expect(await notRefused(redis.port, exporter, [...forAnybodyElse, follow, cut, retire])).toEqual([]);
    expect(await ask(redis.port, ["INFO", "ALL"], exporter)).toContain("maxmemory_policy");
    expect(await ask(redis.port, ["SLOWLOG", "LEN"], exporter)).toBe(0);
    expect(await ask(redis.port, ["LATENCY", "LATEST"], exporter)).toEqual([]);
  });

  it("let replicas follow, sentinels give roles, and neither do more", async () => {
    const replica = as("replica", "redis_replica_password");
    expect(await notRefused(redis.port, replica, [...forAnybodyElse, cut, retire, look])).toEqual([]);
    const sentinel = as("sentinel", "redis_sentinel_password");
    const roles = forAnybodyElse.filter(([, name]) => name !== "REPLICAOF");
    expect(await notRefused(redis.port, sentinel, [...roles, follow])).toEqual([]);
  });

  it("let nobody in without a name, and the health check only ping", async () => {
    await expect(ask(redis.port, ["PING"])).rejects.toThrow(/NOAUTH/);
    await expect(ask(redis.port, ["PING"], { username: "sluice", password: "guessed" })).rejects.toThrow(/WRONGPASS/);
    const probe = { username: "probe", password: "any" };
    expect(await ask(redis.port, ["PING"], probe)).toBe("PONG");
    await expect(ask(redis.port, ["GET", "cache:a"], probe)).rejects.toThrow(/NOPERM/);
    await expect(ask(redis.port, ["INFO"], probe)).rejects.toThrow(/NOPERM/);
    expect(await redis.check()).toBe(true);
  });
});
