import type { Events } from "../../kernel/events.ts";
import type { Theme } from "../metrics.ts";
import { counter, gauge } from "./series.ts";

/** The sockets of this instance; what the realtime room answers does. */
export interface Sockets {
  stats(): { connections: number };
  events: Pick<Events<{ delivered: object; arrived: { way: "here" | "redis" | "mongodb" }; slow: object }>, "on">;
}

/** The sockets of this instance and what they are sent. */
export function socketMetrics({ stats, events }: Sockets, serverId: string): Theme {
  return (registry) => {
    const server_id = serverId;
    gauge({
      registry,
      name: "websocket_active_connections",
      help: "Sockets that are connected to this instance.",
      labels: { server_id: [server_id] },
      read: (made) => made.set({ server_id }, stats().connections),
    });
    const messages = counter({
      registry,
      name: "messages_total",
      help: "Messages that this instance has sent to its sockets, whichever instance they came in at.",
      labels: { server_id: [server_id] },
    });
    const arrivals = counter({
      registry,
      name: "chat_message_arrivals_total",
      help: "Messages that came to this instance: stored here, over Redis, and over MongoDB, where each comes once more.",
      labels: { way: ["here", "redis", "mongodb"] },
    });
    const slow = counter({
      registry,
      name: "chat_slow_sockets_total",
      help: "Sockets that were ended because their clients did not take what they were sent.",
    });
    const offs = [
      events.on("delivered", () => messages.inc({ server_id })),
      events.on("arrived", ({ way }) => arrivals.inc({ way })),
      events.on("slow", () => slow.inc()),
    ];
    return () => {
      for (const off of offs) off();
    };
  };
}
