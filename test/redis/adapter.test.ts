import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adapterClient } from "../../src/redis/facades/adapter.ts";
import { adapterContract } from "../contract/adapter.ts";
import { openDoor, patient } from "../support/door.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(() => server.close());

describe("the client for @socket.io/redis-adapter", () => {
  it("carries the adapter over one server", () => adapterContract({ REDIS_URL: server.url }));

  it("rejects nothing, whatever happens to Redis", async () => {
    const opened = openDoor({ REDIS_URL: server.url }, { start: false });
    const client = adapterClient(opened.door);
    expect(await client.publish("c", "m")).toBe(0);
    expect(await client.sendCommand(["PUBSUB", "NUMSUB", "c"])).toEqual(["c", 1]);
    await client.subscribe(["a", "b"], () => {});
    expect(client.live).toBe(false);
    await client.unsubscribe(["a", "b"]);
    await opened.close();
  });

  it("unsubscribes what its listener heard, and nothing else", async () => {
    const opened = openDoor({ REDIS_URL: server.url, ...patient });
    const client = adapterClient(opened.door);
    const heard: string[] = [];
    const [first, second] = ["first", "second"].map((name) => () => void heard.push(name));
    if (!first || !second) return expect.unreachable();
    await client.pSubscribe("socket.io#*", first, true);
    await client.pSubscribe("socket.io#*", second, true);
    await until(() => client.live);
    await client.pUnsubscribe("socket.io#*", first, true);
    await client.publish("socket.io#/#", Buffer.from("x"));
    await until(() => heard.length > 0);
    expect(heard).toEqual(["second"]);
    await opened.close();
  });
});
