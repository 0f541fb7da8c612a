import type { Events } from "../../kernel/events.ts";
import type { Theme } from "../metrics.ts";
import { counter, gauge } from "./series.ts";

/** The sockets of this instance; what the realtime room answers does. */
export interface Sockets {
  stats(): { connections: number };
  events: Pick<Events<{ delivered: object }>, "on">;
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
    return events.on("delivered", () => messages.inc({ server_id }));
  };
}
