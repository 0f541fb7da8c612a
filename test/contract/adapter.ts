import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { expect } from "vitest";
import { adapterClient } from "../../src/redis/facades/adapter.ts";
import { openDoor } from "../support/door.ts";
import { until } from "../support/until.ts";

/** One instance with a socket connected to it. */
async function startInstance(env: Record<string, string>, key: string) {
  const opened = openDoor(env);
  await opened.is("up");
  const client = adapterClient(opened.door);
  const http = createServer();
  const server = new Server(http, {
    adapter: createAdapter(client as never, client as never, { key, requestsTimeout: 2_000 }),
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const heard: unknown[] = [];
  const socket = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ["websocket"] });
  socket.on("word", (...words: unknown[]) => heard.push(words));
  await until(() => socket.connected && client.live);
  return {
    ...opened,
    server,
    client,
    heard,
    async end() {
      socket.disconnect();
      await server.close();
      await opened.close();
    },
  };
}

/** What the adapter must do over every topology: deliver between instances, count them, and survive when Redis goes. */
export async function adapterContract(env: Record<string, string>, key: string): Promise<void> {
  const [one, two] = await Promise.all([startInstance(env, key), startInstance(env, key)]);
  try {
    const everybody = one.server.of("/").adapter;
    await until(async () => (await everybody.serverCount()) === 2);
    const bytes = Buffer.from([0, 1, 254, 255]);
    one.server.emit("word", "to all", bytes);
    await until(() => one.heard.length === 1 && two.heard.length === 1);
    expect(two.heard[0]).toEqual(["to all", bytes]);
    expect(await one.server.fetchSockets()).toHaveLength(2);
    two.server.socketsJoin("room");
    await until(async () => (await one.server.in("room").fetchSockets()).length === 2);
    one.server.to("room").emit("word", "to the room");
    await until(() => two.heard.length === 2);

    await Promise.all([one, two].map(({ door }) => door.disable(true, "for a test")));
    expect(one.client.live).toBe(false);
    one.server.emit("word", "while Redis is out");
    await until(() => one.heard.length === 3);
    expect(await everybody.serverCount()).toBe(1);
    expect(await one.server.fetchSockets()).toHaveLength(1);

    await Promise.all([one, two].map(({ door }) => door.disable(false, "for a test")));
    await until(() => one.client.live && two.client.live);
    one.server.emit("word", "again");
    await until(() => two.heard.some((words) => (words as string[])[0] === "again"));
    expect(two.heard.some((words) => (words as string[])[0] === "while Redis is out")).toBe(false);
  } finally {
    await Promise.all([one.end(), two.end()]);
  }
}
