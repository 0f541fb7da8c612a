import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { slotOf } from "../../src/redis/slot.ts";
import { certificates, speaksTls } from "../support/certificates.ts";
import { type RedisCluster, startRedisCluster } from "../support/cluster.ts";
import { type OpenedDoor, openDoor, patient } from "../support/door.ts";
import { ask } from "../support/resp.ts";
import { until } from "../support/until.ts";

const keys = Array.from({ length: 12 }, (_, n) => `cache:key:${n}`);

describe.runIf(await speaksTls())("a cluster that speaks nothing but TLS", { timeout: 60_000 }, () => {
  let cluster: RedisCluster;
  const opened: OpenedDoor[] = [];
  beforeAll(async () => {
    cluster = await startRedisCluster({ tls: true });
  });
  afterAll(() => cluster.close());
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });

  function open(env: Record<string, string>): OpenedDoor {
    const one = openDoor({ REDIS_CLUSTER: cluster.address, REDIS_TLS: "true", ...patient, ...env });
    opened.push(one);
    return one;
  }
  async function openUp(): Promise<OpenedDoor> {
    const one = open({ REDIS_CA_FILE: certificates.authority });
    await one.is("up");
    return one;
  }
  async function staysOut(env: Record<string, string>, why: RegExp): Promise<void> {
    const { door, path, log } = open(env);
    const told = async () => why.test((await door.health()).reason);
    await until(told, { timeoutMs: 15_000, describe: () => `${why}, is: ${JSON.stringify(log.lines)}` });
    expect(await door.call("get", (redis) => redis.get("cache:a"))).toMatchObject({ ok: false, reason: "down" });
    expect(path()).toEqual(["down"]);
  }
  const setting = (name: string, value: string) =>
    Promise.all(cluster.servers.map((server) => server.ask("CONFIG", "SET", name, value)));
  const write = async ({ door }: OpenedDoor, value: string) =>
    (await Promise.all(keys.map((key) => door.call("set", (redis) => redis.set(key, value))))).map(({ ok }) => ok);
  const written = async (value: string) => {
    const servers = await Promise.all(keys.map((key) => cluster.masterOf(slotOf(key))));
    expect(new Set(servers).size).toBe(3);
    const found = await Promise.all(keys.map((key, n) => servers[n]?.ask("GET", key)));
    expect(found).toEqual(keys.map(() => value));
  };

  it("is used, each command at the server of its key, and heard of by whoever subscribes", async () => {
    await expect(ask(cluster.servers[0]?.port ?? 0, ["PING"])).rejects.toThrow();
    const one = await openUp();
    expect(await one.door.health()).toMatchObject({ topology: "cluster", role: "master" });
    expect(await write(one, "1")).toEqual(keys.map(() => true));
    await written("1");
    expect(await one.door.call("get", (redis) => redis.mGet(keys))).toEqual({ ok: true, value: keys.map(() => "1") });
    const heard: string[] = [];
    const subscription = one.door.subscribe("updates:tls", (message) => heard.push(message));
    await until(() => subscription.live);
    await Promise.all(cluster.servers.map((server, n) => server.ask("PUBLISH", "updates:tls", `${n}`)));
    await until(() => heard.length === 6);
    expect(one.path()).toEqual(["up"]);
  });

  it("is followed to a new master, with the subscriptions", async () => {
    const one = await openUp();
    const heard: string[] = [];
    const subscription = one.door.subscribe("updates:tls", (message) => heard.push(message));
    const told = one.signs.length;
    const former = await cluster.masterOf(0);
    await cluster.failover(0);
    await until(() => one.signs.length > told, { timeoutMs: 15_000 });
    await one.is("up");
    expect(await cluster.masterOf(0)).not.toBe(former);
    expect(await write(one, "2")).toEqual(keys.map(() => true));
    await written("2");
    await until(() => subscription.live);
    await (await cluster.masterOf(0)).ask("PUBLISH", "updates:tls", "after");
    await until(() => heard.includes("after"));
    await cluster.settled();
  });

  it("is not used when nobody vouches for it, or one who did not sign", async () => {
    const untrusted = /^its certificate is not trusted \(\w+\): see REDIS_CA_FILE$/;
    await staysOut({}, untrusted);
    await staysOut({ REDIS_CA_FILE: certificates.stranger }, untrusted);
  });

  it("is not used while it wants certificates of its clients, as Redis does by default", async () => {
    await setting("tls-auth-clients", "yes");
    await staysOut({ REDIS_CA_FILE: certificates.authority }, /wants a certificate .* tls-auth-clients no/);
    await setting("tls-auth-clients", "no");
    await openUp();
  });

  // Last: who has once heard a name keeps it.
  it("is used by the names that its servers announce, which their certificates must have", async (test) => {
    const known = await setting("cluster-announce-hostname", "127.1").catch(() => undefined);
    if (!known) return test.skip("before Redis 7 servers announce addresses only");
    await setting("cluster-preferred-endpoint-type", "hostname");
    // They hear of each other's names with the signs of life, which are the more frequent the shorter this is.
    await setting("cluster-node-timeout", "3000");
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on("warning", onWarning);
    await staysOut({ REDIS_CA_FILE: certificates.authority }, /^its certificate is for another host \(\w+\)/);
    await setting("cluster-announce-hostname", "localhost");
    const one = await openUp();
    await until(async () => (await write(one, "3")).every((ok) => ok));
    await written("3");
    // Of twelve places asked, as each server has two names now.
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});
