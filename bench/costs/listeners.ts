import "../stage/orphan.ts";
import { openClient } from "../sockets/client.ts";

/** A process of clients that listen, so that their work is not counted as the server's. */
process.once("message", ({ url, count, room }: { url: string; count: number; room: string }) => {
  const quiet = { onMessage() {}, onEnd() {} };
  const clients = Array.from({ length: count }, () => openClient({ url, auth: {}, room, ...quiet }));
  const timer = setInterval(() => {
    if (!clients.every(({ joined }) => joined)) return;
    clearInterval(timer);
    process.send?.("ready");
  }, 20);
});
