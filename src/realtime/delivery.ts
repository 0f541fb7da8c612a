import type { Server } from "socket.io";
import type { Message } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Events } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import type { Bus } from "./bus.ts";
import { createGather } from "./gather.ts";
import type { Guests } from "./guests.ts";
import { createHistoryPackets } from "./history-packets.ts";
import { createJustDelivered } from "./just-delivered.ts";
import { send } from "./packets.ts";
import { messagePayload, privatePayload } from "./payloads.ts";
import { createRecentIds } from "./recent-ids.ts";
import type { Guest, RealtimeEvents, Way } from "./types.ts";
import { createWindows } from "./windows.ts";

/** Later than this after it was stored no message is expected to arrive from another instance. */
const lateMs = 30_000;
/** A stream that resumes may bring again all of ten minutes. */
const idsRemembered = 200_000;

/** The one way of messages to sockets: on every instance each passes `deliver` once, whoever stored it. */
export interface Delivery {
  /** Sends a stored message here and to the other instances; of a private one `writer` gets its copy. */
  publish(message: Message, writer?: Guest): void;
  deliver(message: Message, way: Way): void;
  /** Sends `history` as `read` answers it, and then whatever came meanwhile and is not in it. */
  history(guest: Guest, room: string, read: () => Promise<Message[]>): Promise<void>;
  /** Forgets a socket that is gone. */
  forget(guest: Guest): void;
  /** What waits for others of its moment is sent. */
  close(): void;
}

interface Options {
  io: Server;
  guests: Guests;
  bus: Bus;
  events: Events<RealtimeEvents>;
  clock: Clock;
  log: Log;
  historyLimit: number;
}

export function createDelivery({ io, guests, bus, events, clock, log, historyLimit }: Options): Delivery {
  const delivered = createRecentIds(idsRemembered);
  const justDelivered = createJustDelivered(clock);
  const windows = createWindows(lateMs);
  const gather = createGather(io, log);
  const packetOfHistory = createHistoryPackets();

  /** A user who writes to another has one copy to see; "sent" tells it from the target's. */
  function sendNow(guest: Guest, message: Message): void {
    if (message.type !== "private") guest.socket.emit("message", messagePayload(message));
    else {
      const status = message.author === guest.member.nickname ? "sent" : "delivered";
      guest.socket.emit("private_message", privatePayload(message, status));
    }
  }

  function offer(guest: Guest, message: Message): void {
    if (!windows.takes(guest, message)) sendNow(guest, message);
  }

  function deliver(message: Message, way: Way): void {
    events.emit("arrived", { way });
    if (!delivered.add(message.id)) return;
    events.emit("delivered", { type: message.type });
    justDelivered.add(message);
    if (message.type === "private") {
      if (message.target) for (const guest of guests.named(message.target)) offer(guest, message);
      return;
    }
    gather.send(message, windows.heldFrom(message));
  }

  bus.onMessage((message) => deliver(message, "redis"));

  return {
    publish(message, writer) {
      deliver(message, "here");
      // Who joins is shown the line before the list of who is there.
      if (message.type === "system") gather.flush(message.room);
      if (writer) offer(writer, message);
      bus.send(message);
    },
    deliver,
    async history(guest, room, read) {
      // What was delivered before belongs before the history, which shows it too.
      gather.flush(room);
      windows.open(guest, room);
      let shown: Message[];
      try {
        const snapshot = await read();
        shown = justDelivered.complete(snapshot, room, guest.member.nickname, historyLimit);
      } catch (error) {
        for (const message of windows.close(guest)) sendNow(guest, message);
        throw error;
      }
      if (!guest.socket.connected) return void windows.close(guest);
      send(guest.socket, packetOfHistory(room, shown));
      const ids = new Set(shown.map(({ id }) => id));
      const since = clock.now() - lateMs;
      const stillToCome = shown.filter(({ id, timestamp }) => !delivered.has(id) && timestamp.getTime() > since);
      const [oldest] = shown;
      const mayBeOverrun = oldest !== undefined && shown.length >= historyLimit && oldest.timestamp.getTime() > since;
      const waited = windows.settle(
        guest,
        stillToCome.map(({ id }) => id),
        mayBeOverrun ? oldest : undefined,
      );
      for (const message of waited) if (!ids.has(message.id)) sendNow(guest, message);
    },
    forget: (guest) => void windows.close(guest),
    close: gather.close,
  };
}
