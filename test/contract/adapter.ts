import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { RedisAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { expect } from "vitest";
import { systemClock } from "../../src/kernel/clock.ts";
import { createClusterAdapter } from "../../src/realtime/adapter.ts";
import { createAdapterBus } from "../../src/realtime/bus.ts";
import { createAdapterOrders } from "../../src/realtime/orders.ts";
import { adapterClient } from "../../src/redis/facades/adapter.ts";
import { openDoor, patient } from "../support/door.ts";
import { until } from "../support/until.ts";

/** One instance with a socket connected to it. */
async function startInstance(env: Record<string, string>) {
  const opened = openDoor({ ...patient, ...env });
  await opened.is("up");
  const cluster = createClusterAdapter(opened.door, opened.log);
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

const nil = Buffer.from([0xc0]);
const written = { id: "1", author: "ann", room: "general", text: "x", type: "public", target: null };
const emitted = (...data: unknown[]) => JSON.stringify({ type: 6, uid: "another", data });
const channels = {
  "socket.io-request#/#": [
    ...[nil, "", "?", "{", "null", "[]", '{"type":5}', '{"type":6}', '{"type":7}', '{"type":2,"opts":{},"rooms":5}'],
    ...[emitted(), emitted("chat:message"), emitted("chat:message", null), emitted("chat:message", written)],
    emitted("chat:message", { ...written, timestamp: "yesterday" }),
    emitted("chat:message", { ...written, type: "private", target: {}, timestamp: 0 }),
    ...[null, {}, { kind: "toString" }, { kind: "cutUser" }, { kind: "signal", to: 1 }].map((order) =>
      emitted("chat:order", order, 1, "no function"),
    ),
    emitted("chat:order", { kind: "count", userId: "ann" }),
  ],
  "socket.io-response#/#": [nil, "", "5", "{}", '{"requestId":"unknown"}'],
  "socket.io#/#": [nil, "", "?", Buffer.from([0x93, 0xc0, 0x80, 0xc0])],
};

/** Whatever anybody publishes where the instances hear each other. */
async function nonsense({ one, two }: Record<"one" | "two", Awaited<ReturnType<typeof startInstance>>>): Promise<void> {
  const heard: unknown[] = [];
  createAdapterBus(two.server).onMessage(({ text }) => heard.push(text));
  const live = () => true;
  createAdapterOrders(two.server, systemClock, live).onOrder(() => 7);
  const { publish } = adapterClient(one.door);
  for (const [channel, words] of Object.entries(channels)) for (const word of words) await publish(channel, word);
  // Who asks for what only a later release knows is answered, and does not wait.
  const answers: unknown[] = [];
  await until(() => {
    one.server.serverSideEmit("chat:order", { kind: "of a later release" }, 1, (error: unknown, counts: unknown) =>
      answers.push(error ?? counts),
    );
    return answers.some((counts) => Array.isArray(counts) && counts[0] === 0);
  });
  const orders = createAdapterOrders(one.server, systemClock, live);
  await until(async () => (await orders.ask({ kind: "count", userId: "ann" })) === 7);
  createAdapterBus(one.server).send({ ...written, type: "public", timestamp: new Date() });
  await until(() => heard.length === 1);
  expect(heard).toEqual(["x"]);
  for (const { log } of [one, two])
    expect(log.lines.filter(({ message }) => /cannot be read; it is ignored/.test(message))).toHaveLength(1);
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

    await nonsense({ one, two });

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
