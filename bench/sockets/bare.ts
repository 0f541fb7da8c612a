import "../stage/orphan.ts";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

/** Socket.IO with the stock adapter and nothing else: rooms, and messages to them. For comparison. */
async function serve(redisUrl: string): Promise<number> {
  const pub = createClient({ url: redisUrl, maintNotifications: "disabled" });
  const sub = pub.duplicate();
  await Promise.all([pub.connect(), sub.connect()]);
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(pub, sub), perMessageDeflate: false });
  let serial = 0;
  io.on("connection", (socket) => {
    let current = "";
    socket.on("join_room", async ({ room }: { room: string }) => {
      current = room;
      await socket.join(room);
      socket.emit("history", []);
    });
    socket.on("message", ({ text }: { text: string }) => {
      const id = String(++serial).padStart(24, "0");
      const timestamp = new Date().toISOString();
      io.to(current).emit("message", {
        ...{ id, author: "somebody", room: current, text, timestamp },
        ...{ status: "delivered", type: "public" },
      });
    });
  });
  return new Promise((resolve) => {
    http.listen(0, "127.0.0.1", () => resolve((http.address() as AddressInfo).port));
  });
}

process.once("message", ({ redisUrl }: { redisUrl: string }) => {
  void serve(redisUrl).then((port) => process.send?.({ port }));
});
