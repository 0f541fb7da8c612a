import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { RedisAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { expect } from "vitest";
import { createClusterAdapter } from "../../src/realtime/adapter.ts";
import { openDoor, patient } from "../support/door.ts";
import { until } from "../support/until.ts";

/** One instance with a socket connected to it. */
async function startInstance(env: Record<string, string>) {
  const opened = openDoor({ ...patient, ...env });
  await opened.is("up");
  const cluster = createClusterAdapter(opened.door);
  const http = createServer();
  const server = new Server(http, { adapter: cluster.adapter });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const heard: unknown[] = [];
  const socket = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ["websocket"] });
  socket.on("word", (...words: unknown[]) => heard.push(words));
  await until(() => socket.connected && cluster.live);
  return {
    ...opened,
    server,
    cluster,
    socket,
    heard,
    async end() {
      socket.disconnect();
      await server.close();
      await opened.close();
    },
  };
}

/** What the adapter must do over every topology: deliver between instances, count them, and survive when Redis goes. */
export async function adapterContract(env: Record<string, string>): Promise<void> {
  const [one, two] = await Promise.all([startInstance(env), startInstance(env)]);
  try {
    const everybody = one.server.of("/").adapter;
    await until(async () => (await everybody.serverCount()) === 2);
    const bytes = Buffer.from([0, 1, 254, 255]);
    one.server.emit("word", "to all", bytes);
    await until(() => one.heard.length === 1 && two.heard.length === 1);
    expect(two.heard[0]).toEqual(["to all", bytes]);
    // Whoever is late once is left out.
    await until(async () => (await one.server.fetchSockets()).length === 2);
    // Somebody who listens and never answers, as an instance that hangs: what is known is the answer.
    const hanging = openDoor({ ...patient, ...env });
    hanging.door.listen({ channel: "socket.io-request#/#" }, () => {});
    await until(async () => (await everybody.serverCount()) === 3);
    expect(await one.server.fetchSockets()).toHaveLength(1);
    expect([...(await (everybody as RedisAdapter).allRooms())]).toContain(one.socket.id);
    await hanging.close();
    await until(async () => (await everybody.serverCount()) === 2);
    two.server.socketsJoin("room");
    await until(async () => (await one.server.in("room").fetchSockets()).length === 2);
    one.server.to("room").emit("word", "to the room");
    await until(() => two.heard.length === 2);

    await Promise.all([one, two].map(({ door }) => door.disable(true, "for a test")));
    expect(one.cluster.live).toBe(false);
    one.server.emit("word", "while Redis is out");
    await until(() => one.heard.length === 3);
    expect(await everybody.serverCount()).toBe(1);
    expect(await one.server.fetchSockets()).toHaveLength(1);
    one.server.socketsJoin("alone");
    expect(await one.server.in("alone").fetchSockets()).toHaveLength(1);
    one.server.socketsLeave("alone");
    expect(await one.server.in("alone").fetchSockets()).toHaveLength(0);
    const asked: unknown[] = [];
    one.server.serverSideEmit("question", (_error: unknown, answers: unknown) => asked.push(answers));
    await until(() => asked.length === 1);

    await Promise.all([one, two].map(({ door }) => door.disable(false, "for a test")));
    await until(() => one.cluster.live && two.cluster.live);
    one.server.emit("word", "again");
    await until(() => two.heard.some((words) => (words as string[])[0] === "again"));
    expect(two.heard.some((words) => (words as string[])[0] === "while Redis is out")).toBe(false);

    one.server.disconnectSockets();
    await until(() => !one.socket.connected && !two.socket.connected);
  } finally {
    await Promise.all([one.end(), two.end()]);
  }
}
