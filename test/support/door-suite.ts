import { afterAll, afterEach, beforeAll } from "vitest";
import { type OpenedDoor, openDoor, patient } from "./door.ts";
import { startProxy, type TcpProxy } from "./proxy.ts";
import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { until } from "./until.ts";

/** A server and a proxy before it for the tests of one file; doors opened here are closed after each test. */
export function doorSuite() {
  const opened: OpenedDoor[] = [];
  let server: RedisServer;
  let proxy: TcpProxy;

  beforeAll(async () => {
    server = await startRedisServer();
    proxy = await startProxy(server.port);
  });
  afterAll(async () => {
    await proxy.close();
    await server.close();
  });
  afterEach(async () => {
    proxy.set({ kind: "none" });
    for (const one of opened.splice(0)) await one.close();
    await until(() => proxy.connections === 0);
  });

  function open(env: Record<string, string> = {}, options?: { start: boolean }): OpenedDoor {
    const one = openDoor({ REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...patient, ...env }, options);
    opened.push(one);
    return one;
  }
  return {
    get server() {
      return server;
    },
    get proxy() {
      return proxy;
    },
    open,
    async openUp(env: Record<string, string> = {}): Promise<OpenedDoor> {
      const one = open(env);
      await one.is("up");
      return one;
    },
    closeLater: (one: OpenedDoor) => void opened.push(one),
  };
}
