import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chat, startChat } from "../support/chat.ts";
import { composeFile } from "../support/compose.ts";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import { type Deployed, type DeployedSecrets, deploy, makeSecrets } from "../support/deployment.ts";
import { atDesk } from "../support/desk.ts";
import { patient } from "../support/door.ts";
import { createBrowser } from "../support/http.ts";
import { cachedRedisServers, redisBinary } from "../support/redis-binary.ts";
import { ask } from "../support/resp.ts";
import { type Forbidden, notRefused } from "../support/rights.ts";
import { until } from "../support/until.ts";

const binaries = [...new Set([await redisBinary(), ...(await cachedRedisServers())])];

/** What would send the chats elsewhere, stop the watch, or show a password. */
const forbidden: readonly Forbidden[] = [
  ["forget the master", "SENTINEL", "REMOVE", "mymaster"],
  ["watch another one", "SENTINEL", "MONITOR", "other", "127.0.0.1", "1", "1"],
  ["change how it is watched", "SENTINEL", "SET", "mymaster", "quorum", "9"],
  ["take its role away", "SENTINEL", "FAILOVER", "mymaster"],
  ["forget replicas and sentinels", "SENTINEL", "RESET", "mymaster"],
  ["read the sentinels' password", "SENTINEL", "CONFIG", "GET", "*"],
  ["change the sentinels' password", "SENTINEL", "CONFIG", "SET", "sentinel-pass", "x"],
  ["write the file", "SENTINEL", "FLUSHCONFIG"],
  ["make it fail", "SENTINEL", "SIMULATE-FAILURE", "help"],
  ["see the users", "ACL", "LIST"],
  ["make users", "ACL", "SETUSER", "me", "on", "nopass", "+@all"],
  ["see who is connected", "CLIENT", "LIST"],
  ["cut others off", "CLIENT", "KILL", "TYPE", "normal"],
  ["hear all channels", "PSUBSCRIBE", "*"],
  ["stop it", "SHUTDOWN"],
];
const talk: readonly Forbidden[] = [
  ["vote", "SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "1", "0", "*"],
  ["make up a sentinel", "PUBLISH", "__sentinel__:hello", "x"],
];
const looks: readonly Forbidden[] = [
  ["list the sentinels", "SENTINEL", "SENTINELS", "mymaster"],
  ["list all masters", "SENTINEL", "MASTERS"],
  ["look into it", "INFO"],
];

/** Who logs in at a Redis or a sentinel from its container, beside those that run there. */
const logins: Readonly<Record<string, string>> = { app: "sluice", migrate: "sluice", "redis-exporter": "exporter" };

describe.each(binaries)("the users of the sentinels: %s", { timeout: 60_000 }, (binary) => {
  const url = mongoUrl(`deploy-sentinels-${binaries.indexOf(binary)}`);
  let secrets: DeployedSecrets;
  let redis: Deployed;
  let sentinels: Deployed[] = [];
  let chat: Chat;
  let env: Record<string, string>;
  const as = (username: string, file: string) => ({ username, password: secrets.read(file) });
  const port = () => sentinels[0]?.port ?? 0;

  beforeAll(async () => {
    secrets = await makeSecrets();
    redis = await deploy({ kind: "redis", secrets, binary });
    const watch = { kind: "sentinel" as const, secrets, binary, master: redis.port };
    sentinels = await Promise.all([deploy(watch), deploy(watch)]);
    env = {
      MONGODB_URL: url,
      ...patient,
      REDIS_USERNAME: "sluice",
      REDIS_PASSWORD_FILE: `${secrets.folder}/redis_password`,
      REDIS_SENTINEL: `mymaster@${sentinels.map((one) => `127.0.0.1:${one.port}`).join(",")}`,
      REDIS_SENTINEL_USERNAME: "sluice",
      REDIS_SENTINEL_PASSWORD_FILE: `${secrets.folder}/redis_password`,
    };
    chat = await startChat({ env });
  }, 60_000);
  afterAll(async () => {
    await chat?.stop();
    await Promise.all(sentinels.map((one) => one.close()));
    await redis?.close();
    await secrets?.remove();
    await dropDatabase(url);
  });

  it("let the chat and its doctor find the master and ask for the quorum, and the sentinels find each other", async () => {
    let seen: unknown;
    const whole = async () => {
      const { body } = await createBrowser(chat.url).get("/health/redis");
      seen = body;
      const [state] = body.checks["redis:state"];
      const [answering] = body.checks["sentinels:answering"] ?? [];
      return state.observedValue === "up" && answering?.observedValue === 2 && answering.status !== "warn";
    };
    await until(whole, { timeoutMs: 30_000, describe: () => JSON.stringify(seen) });
    expect((await createBrowser(chat.url).register("ann")).status).toBe(201);
    expect(await redis.ask("ACL", "LOG")).toEqual([]);
    expect((await atDesk(["doctor"], env)).text).toContain("2 of 2 sentinels");
    for (const one of sentinels) expect(await one.ask("ACL", "LOG")).toEqual([]);
  });

  it("let the chat do nothing else", async () => {
    const all = [...forbidden, ...talk, ...looks];
    expect(await notRefused(port(), as("sluice", "redis_password"), all)).toEqual([]);
  });

  it("let the exporter look, the sentinels talk, and none of them do more", async () => {
    const exporter = as("exporter", "redis_exporter_password");
    expect(await notRefused(port(), exporter, [...forbidden, ...talk])).toEqual([]);
    for (const [, ...look] of looks) await ask(port(), look, exporter);
    const sentinel = as("sentinel", "redis_sentinel_password");
    for (const [, ...words] of talk) await ask(port(), words, sentinel);
    expect(await notRefused(port(), sentinel, [...forbidden, ...looks])).toEqual([]);
  });

  it("let nobody in without a name, the health check only ping, and the operator do all", async () => {
    await expect(ask(port(), ["PING"])).rejects.toThrow(/NOAUTH/);
    const probe = { username: "probe", password: "any" };
    expect(await ask(port(), ["PING"], probe)).toBe("PONG");
    expect(await notRefused(port(), probe, [...forbidden, ...talk, ...looks])).toEqual([]);
    expect(await sentinels[0]?.check()).toBe(true);
    expect(await sentinels[0]?.ask("SENTINEL", "CKQUORUM", "mymaster")).toMatch(/^OK 2 usable/);
  });

  it("are opened by no secret of a container but the one that logs in there", async () => {
    const opened = async (word: string) => {
      const names: string[] = [];
      for (const server of [redis, ...sentinels]) {
        for (const username of (await server.ask("ACL", "USERS")) as string[]) {
          const enter = (password: string) =>
            ask(server.port, ["PING"], { username, password }).then(Boolean, () => false);
          if ((await enter(word)) && !(await enter("guessed"))) names.push(username);
        }
      }
      return names;
    };
    expect(new Set(await opened(secrets.read("redis_operator_password")))).toEqual(new Set(["operator"]));
    const apart = Object.entries(composeFile().services).filter(
      ([name]) => !/^(redis(-\d)?|sentinel|cluster|form)/.test(name) || name === "redis-exporter",
    );
    expect(apart.map(([name]) => name)).toEqual(
      expect.arrayContaining(["mongo", "prometheus", ...Object.keys(logins)]),
    );
    for (const [name, service] of apart) {
      const words = (service.secrets ?? []).flatMap((secret) => secrets.read(secret).match(/[\w-]{20,}/g) ?? []);
      const names = new Set((await Promise.all([...new Set(words)].map(opened))).flat());
      expect([...names], name).toEqual(logins[name] ? [logins[name]] : []);
    }
  });
});
