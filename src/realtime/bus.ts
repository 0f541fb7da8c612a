import type { Server } from "socket.io";
import type { Message } from "../chat/services/types.ts";

/** Carries stored messages between instances; there may be several at once, since a message is delivered once only. */
export interface Bus {
  send(message: Message): void;
  onMessage(listener: (message: Message) => void): void;
}

/** Over the adapter of Socket.IO, which turns dates into text. */
export function createAdapterBus(io: Server): Bus {
  return {
    send(message) {
      io.serverSideEmit("chat:message", message);
    },
    onMessage(listener) {
      io.on("chat:message", (message: Message) => {
        listener({ ...message, timestamp: new Date(message.timestamp) });
      });
    },
  };
}

/** For the only instance. */
export const noBus: Bus = { send() {}, onMessage() {} };
