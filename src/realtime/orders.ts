import type { Server } from "socket.io";

/** What one instance asks of all others. */
export type Order =
  | { kind: "cutUser"; userId: string; event?: { name: string; payload: unknown } }
  | { kind: "cutSession"; sessionKey: string }
  | { kind: "refresh"; userId: string }
  | { kind: "count"; userId: string }
  | { kind: "signal"; channel: string; to: string; event: string; payload: unknown };

export interface Orders {
  /** How many sockets the other instances say it touched; those that do not answer in time count as none. */
  ask(order: Order): Promise<number>;
  tell(order: Order): void;
  onOrder(obey: (order: Order) => number): void;
}

const patienceMs = 300;

export function createAdapterOrders(io: Server): Orders {
  return {
    ask: (order) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, patienceMs, 0);
        io.serverSideEmit("chat:order", order, (_error: unknown, counts: unknown) => {
          clearTimeout(timer);
          resolve(Array.isArray(counts) ? counts.reduce((sum: number, n: unknown) => sum + (Number(n) || 0), 0) : 0);
        });
      }),
    tell(order) {
      io.serverSideEmit("chat:order", order);
    },
    onOrder(obey) {
      io.on("chat:order", (order: Order, answer?: (count: number) => void) => {
        const count = obey(order);
        answer?.(count);
      });
    },
  };
}

/** For the only instance. */
export const noOrders: Orders = { ask: async () => 0, tell() {}, onOrder() {} };
