import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { afterEach, expect, it } from "vitest";
import type { Message } from "../../src/chat/services/types.ts";
import { textRoom } from "../../src/realtime/channel-rooms.ts";
import { createGather } from "../../src/realtime/gather.ts";
import { createRecorder } from "../support/recorder.ts";
import { createEar, type Ear, open } from "../support/sockets.ts";
import { until } from "../support/until.ts";

const room = "a-room";
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Socket.IO alone, as the chat opens it; everybody is in the room. */
async function start() {
  const http = createServer();
  const io = new Server(http, { perMessageDeflate: false, transports: ["websocket", "polling"] });
  const packets = new Map<string, number>();
  io.on("connection", (socket) => {
    void socket.join(textRoom(room));
    socket.conn.on("packetCreate", ({ type }: { type: string }) => {
      if (type === "message") packets.set(socket.id, (packets.get(socket.id) ?? 0) + 1);
    });
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  ends.push(() => io.close());
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  async function guest(transport: "websocket" | "polling"): Promise<Ear & { id: string; packets(): number }> {
    const ear = createEar(url, { transports: [transport] });
    ends.push(ear.close);
    await open(ear);
    const id = ear.socket.id ?? "";
    await until(() => io.of("/").adapter.rooms.get(textRoom(room))?.has(id));
    const before = packets.get(id) ?? 0;
    return { ...ear, id, packets: () => (packets.get(id) ?? 0) - before };
  }
  const log = createRecorder();
  return { gather: createGather(io, log), guest, log, sockets: io.of("/").sockets };
}

const message = (id: string, text: string): Message => ({
  ...{ id, room, text, author: "ann", target: null, type: "public", timestamp: new Date(1_700_000_000_000) },
});
const heardBy = (ear: Ear) => ear.all("message").map(({ id, text }) => ({ id, text }));

// What a frame's length is told in: one byte, two, eight.
const texts = ["x", "ü".repeat(40), "y".repeat(120), "🙂".repeat(2_000), "z".repeat(70_000)];

it("sends what comes in one turn once to everybody, in order, and to a WebSocket in one piece", async () => {
  const { gather, guest } = await start();
  const [ann, bob, old] = [await guest("websocket"), await guest("websocket"), await guest("polling")];
  const all = texts.map((text, n) => ({ id: `m${n}`, text }));
  for (const { id, text } of all) gather.send(message(id, text), []);
  for (const ear of [ann, bob, old]) {
    await ear.hears("message", ({ id }) => id === all.at(-1)?.id);
    expect(heardBy(ear)).toEqual(all);
  }
  expect([ann.packets(), bob.packets(), old.packets()]).toEqual([1, 1, texts.length]);
  gather.send(message("later", "alone"), []);
  for (const ear of [ann, bob, old]) {
    await ear.hears("message", ({ id }) => id === "later");
    expect(heardBy(ear)).toEqual([...all, { id: "later", text: "alone" }]);
  }
});

it("keeps a message from those who must not be sent it, and no other", async () => {
  const { gather, guest } = await start();
  const [ann, bob] = [await guest("websocket"), await guest("websocket")];
  gather.send(message("one", "for both"), []);
  gather.send(message("two", "not for bob"), [bob.id]);
  gather.send(message("three", "for both"), []);
  await Promise.all([ann, bob].map((ear) => ear.hears("message", ({ id }) => id === "three")));
  expect(heardBy(ann).map(({ id }) => id)).toEqual(["one", "two", "three"]);
  expect(heardBy(bob).map(({ id }) => id)).toEqual(["one", "three"]);
});

it("sends at once what waits when it is told to, and never again", async () => {
  const { gather, guest } = await start();
  const ann = await guest("websocket");
  gather.send(message("one", "waits"), []);
  expect(ann.packets()).toBe(0);
  gather.flush(room);
  expect(ann.packets()).toBe(1);
  gather.send(message("two", "waits, too"), []);
  gather.close();
  expect(ann.packets()).toBe(2);
  await ann.hears("message", ({ id }) => id === "two");
  gather.send(message("three", "the last"), []);
  await ann.hears("message", ({ id }) => id === "three");
  expect(heardBy(ann).map(({ id }) => id)).toEqual(["one", "two", "three"]);
});

it("one that cannot be sent fails where it is given; what fails later is told, and ends nothing", async () => {
  const { gather, guest, log, sockets } = await start();
  const ann = await guest("websocket");
  gather.send(message("one", "before"), []);
  expect(() => gather.send({ ...message("odd", "when?"), timestamp: new Date(Number.NaN) }, [])).toThrow(RangeError);
  gather.send(message("two", "after"), []);
  await ann.hears("message", ({ id }) => id === "two");
  expect(heardBy(ann).map(({ id }) => id)).toEqual(["one", "two"]);
  const { conn } = [...sockets.values()][0] ?? {};
  if (!conn) return expect.unreachable();
  const { write } = conn;
  conn.write = () => {
    throw new Error("this socket is broken");
  };
  gather.send(message("three", "not sent"), []);
  await until(() => log.said("error", /could not be sent/).length === 1);
  conn.write = write;
  gather.send(message("four", "again"), []);
  await ann.hears("message", ({ id }) => id === "four");
});
