import { randomBytes } from "node:crypto";
import type { Socket as TcpSocket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dropDatabase, mongoUrl } from "../support/databases.ts";
import type { Ear } from "../support/sockets.ts";
import { until } from "../support/until.ts";
import { type Assembly, assemble } from "./assembly.ts";

const url = mongoUrl("backpressure");
let chat: Assembly;
beforeAll(async () => {
  chat = await assemble({
    mongoUrl: url,
    env: { SOCKET_BUFFER_KB: "1024", SOCKET_PAYLOAD_KB: "64", SOCKETS_PER_USER: "2" },
  });
});
afterAll(async () => {
  await chat?.close();
  await dropDatabase(url);
});

const arrive = async (name: string) => chat.tab(await chat.session(await chat.user(name)));

/** The client's TCP connection: while it is paused, the client takes nothing. */
function wireOf(ear: Ear): TcpSocket {
  const { transport } = ear.socket.io.engine as unknown as { transport: { ws: { _socket: TcpSocket } } };
  return transport.ws._socket;
}

it("ends the connection of who takes nothing, and of nobody else", async () => {
  const [slow, fast] = [await arrive("slow"), await arrive("fast")];
  await slow.join("general");
  await fast.join("general");
  const ended: number[] = [];
  chat.realtime.events.on("slow", ({ bytes }) => ended.push(bytes));
  wireOf(slow).pause();
  const id = () => randomBytes(12).toString("hex");
  let said = 0;
  await until(
    () => {
      for (let i = 0; i < 4; i++, said++)
        chat.realtime.deliver(
          {
            id: id(),
            author: "elsewhere",
            room: "general",
            text: "x".repeat(50_000),
            type: "public",
            target: null,
            timestamp: new Date(),
          },
          "redis",
        );
      return ended.length > 0;
    },
    { timeoutMs: 15_000, everyMs: 5 },
  );
  expect(chat.realtime.stats().connections).toBe(1);
  expect(ended).toHaveLength(1);
  expect(ended[0]).toBeGreaterThan(1024 * 1024);
  const heard = () => fast.all("message").filter(({ author }) => author === "elsewhere").length;
  await until(() => heard() === said);
  expect(fast.socket.connected).toBe(true);
});

it("closes on a packet that is too large, and turns a third tab away", async () => {
  const user = await chat.user("many");
  const session = await chat.session(user);
  const one = await chat.tab(session);
  await chat.tab(session);
  await expect(chat.tab(session)).rejects.toThrow("Socket authentication failed");
  one.emit("message", { text: "x".repeat(70 * 1024) });
  expect(await one.hears("disconnect")).toMatch(/transport (close|error)/);
  await until(() => chat.realtime.stats().connections === 2);
});
