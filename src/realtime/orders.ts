import type { Server } from "socket.io";
import type { Clock } from "../kernel/clock.ts";
import { clusterPatienceMs } from "./adapter.ts";

/** What one instance asks of all others. */
export type Order =
  | { kind: "cutUser"; userId: string; event?: { name: string; payload: unknown } }
  | { kind: "cutSession"; sessionKey: string }
  | { kind: "refresh"; userId: string }
  | { kind: "count"; userId: string }
  /** Something was said on a connection that is gone; those they have now may have been told their history before. */
  | { kind: "retell"; userId: string; room: string }
  | { kind: "signal"; channel: string; to: string; event: string; payload: unknown };

export interface Orders {
  /** How many sockets the other instances say it touched; of those that do not answer in time, none. */
  ask(order: Order): Promise<number>;
  tell(order: Order): void;
  /** `at`: when it was given, by the clock of who gave it. A frozen Redis brings it late. */
  onOrder(obey: (order: Order, at: number) => number): void;
  /** The others would hear of it now. */
  readonly live: boolean;
}

const parts: Record<Order["kind"], readonly string[]> = {
  cutUser: ["userId"],
  cutSession: ["sessionKey"],
  refresh: ["userId"],
  count: ["userId"],
  retell: ["userId", "room"],
  signal: ["channel", "to", "event"],
};

/** An instance of another release may ask for what is not known here, or in other words. */
function isOrder(sent: unknown): sent is Order {
  const order = Object(sent) as Record<string, unknown>;
  const { kind, event } = order;
  if (typeof kind !== "string" || !Object.hasOwn(parts, kind)) return false;
  if (kind === "cutUser" && event !== undefined && typeof Object(event).name !== "string") return false;
  return parts[kind as Order["kind"]].every((part) => typeof order[part] === "string");
}

/** The adapter asks first who listens, and answers with what it has when its own patience is over. */
const patienceMs = 2 * clusterPatienceMs;
/** A voice signal as old as this is no use to anybody. */
const staleMs = 10_000;

export function createAdapterOrders(io: Server, clock: Clock, live: () => boolean): Orders {
  return {
    ask: (order) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, patienceMs, 0);
        io.serverSideEmit("chat:order", order, clock.now(), (_error: unknown, counts: unknown) => {
          clearTimeout(timer);
          resolve(Array.isArray(counts) ? counts.reduce((sum: number, n: unknown) => sum + (Number(n) || 0), 0) : 0);
        });
      }),
    tell(order) {
      io.serverSideEmit("chat:order", order, clock.now());
    },
    onOrder(obey) {
      io.on("chat:order", (order: unknown, at: unknown, asker: unknown) => {
        const answer = (count: number) => void (typeof asker === "function" && asker(count));
        if (!isOrder(order) || typeof at !== "number") {
          answer(0);
          throw new TypeError("What another instance has ordered is not known here; do they run the same release?");
        }
        const stale = order.kind === "signal" && clock.now() - at > staleMs;
        answer(stale ? 0 : obey(order, at));
      });
    },
    get live() {
      return live();
    },
  };
}

/** For the only instance. */
export const noOrders: Orders = { ask: async () => 0, tell() {}, onOrder() {}, live: true };
