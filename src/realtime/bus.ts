import type { Server } from "socket.io";
import type { Message } from "../chat/services/types.ts";

/** Carries stored messages between instances; there may be several at once, since a message is delivered once only. */
export interface Bus {
  send(message: Message): void;
  onMessage(listener: (message: Message) => void): void;
}

const types: readonly unknown[] = ["public", "private", "system"];

/** An instance of another release may speak otherwise: what this one cannot show goes no further. */
function received(sent: unknown): Message {
  const message = Object(sent) as Message;
  const { id, author, room, text, type, target } = message;
  const timestamp = new Date(message.timestamp);
  const worded = [id, author, room, text].every((part: unknown) => typeof part === "string");
  const aimed = target === null || typeof target === "string";
  if (!worded || !aimed || !types.includes(type) || Number.isNaN(timestamp.getTime()))
    throw new TypeError("What another instance has published as a message is none; do they run the same release?");
  return { id, author, room, text, type, target, timestamp };
}

/** Over the adapter of Socket.IO, which turns dates into text. */
export function createAdapterBus(io: Server): Bus {
  return {
    send(message) {
      io.serverSideEmit("chat:message", message);
    },
    onMessage(listener) {
      io.on("chat:message", (sent: unknown) => listener(received(sent)));
    },
  };
}

/** For the only instance. */
export const noBus: Bus = { send() {}, onMessage() {} };
