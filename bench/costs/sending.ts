import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Server } from "socket.io";
import type { Message } from "../../src/chat/services/types.ts";
import { textRoom } from "../../src/realtime/channel-rooms.ts";
import { createGather } from "../../src/realtime/gather.ts";
import { messagePayload } from "../../src/realtime/payloads.ts";
import { until } from "../../test/support/until.ts";
import type { Figure } from "../support/report.ts";
import { costBeside, microseconds } from "./beside.ts";

const room = "hall";
const listeners = 500;
const atOnce = 4;
const times = 40;

const message: Message = {
  ...{ id: "0123456789abcdef01234567", author: "Ann", room, text: "x".repeat(100) },
  ...{ type: "public", target: null, timestamp: new Date(1_700_000_000_000) },
};

/** Four messages to 500 sockets as the chat sends what is said within a moment, beside one broadcast after the other. */
export async function sendingCost(rounds: number): Promise<Figure> {
  const http = createServer();
  const io = new Server(http, { perMessageDeflate: false });
  io.on("connection", (socket) => {
    socket.on("join_room", async () => {
      await socket.join(textRoom(room));
      socket.emit("history", []);
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const child = fork(join(import.meta.dirname, "listeners.js"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  try {
    child.send({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, count: listeners, room });
    await once(child, "message");
    const gather = createGather(io, console);
    const sockets = [...io.of("/").sockets.values()];
    const taken = () => until(() => sockets.every(({ conn }) => conn.transport.writable), { everyMs: 5 });

    const each = async (send: () => void) =>
      (await microseconds(async () => {
        for (let n = 0; n < times; n += 1) {
          send();
          await taken();
        }
      })) /
      (times * atOnce * listeners);

    const gathered = () => {
      for (let n = 0; n < atOnce; n += 1) gather.send(message, []);
      gather.flush(room);
    };
    const oneByOne = () => {
      for (let n = 0; n < atOnce; n += 1) io.local.to(textRoom(room)).emit("message", messagePayload(message));
    };
    const name = "µs of CPU to send a message to a socket, four in one write / one by one";
    return await costBeside(name, rounds, [() => each(gathered), () => each(oneByOne)]);
  } finally {
    child.kill();
    io.close();
  }
}
