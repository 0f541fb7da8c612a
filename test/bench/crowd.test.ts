import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { describe, expect, it } from "vitest";
import { createCrowd } from "../../bench/sockets/crowd.ts";
import { until } from "../support/until.ts";

/** Says each word so often to the room. */
async function startChat(times: number) {
  const http = createServer();
  const io = new Server(http);
  io.on("connection", (socket) => {
    socket.on("join_room", async ({ room }: { room: string }) => {
      await socket.join(room);
      socket.emit("history", []);
    });
    socket.on("message", (word: object) => {
      for (let n = 0; n < times; n += 1) io.to("hall").emit("message", word);
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, close: () => io.close() };
}

describe("a crowd", () => {
  it.each([
    { times: 1, more: 0 },
    { times: 2, more: 1 },
  ])("hears $more more than it should of a server that says each word $times times", async ({ times, more }) => {
    const chat = await startChat(times);
    const crowd = createCrowd(chat.url);
    try {
      await crowd.gather(Array(3).fill({ ticket: { auth: {} }, room: "hall" }), 3);
      const { count } = await crowd.talk(crowd.clients.slice(0, 1), { roomSize: 3, ms: 20, atOnce: 1 });
      expect(count).toBeGreaterThanOrEqual(3);
      await until(async () => (await crowd.surplus()) === more * count);
    } finally {
      crowd.close();
      await chat.close();
    }
  });
});
