import { ErrorReply } from "redis";
import type { HostPort } from "../config/kinds.ts";
import { type Client, type Connection, openConnection } from "./connection.ts";
import type { Topology } from "./topology.ts";
import type { RedisHealth } from "./types.ts";

/** The sentinels, as they are one by one; whoever only asks for the master hears of no other but the one that answers. */
export interface SentinelWatch {
  /** Undefined until each has answered, or has not. */
  readonly seen: RedisHealth["sentinels"];
  start(): void;
  close(): void;
}

interface Seat {
  readonly address: HostPort;
  connection?: Connection;
  /** Undefined while it has not answered: neither for the first time, nor since it was lost. */
  said: { quorum: boolean; replicas: number } | undefined;
  asked: boolean;
  busy: boolean;
}

const everyMs = 500;

function replicasIn(details: unknown): number {
  const fields = Array.isArray(details) ? details : Object.entries(details as object).flat();
  return Number(fields[fields.indexOf("num-slaves") + 1] ?? 0);
}

async function hasQuorum(client: Client, master: string): Promise<boolean> {
  try {
    await client.sendCommand(["SENTINEL", "CKQUORUM", master]);
    return true;
  } catch (error) {
    if (error instanceof ErrorReply) return false;
    throw error;
  }
}

export function watchSentinels(
  { master, sentinels, sentinelAccess }: Extract<Topology, { kind: "sentinel" }>,
  timeoutMs: number,
): SentinelWatch {
  const seats = sentinels.map((address): Seat => ({ address, said: undefined, asked: false, busy: false }));
  let running: AbortController | undefined;
  let timer: NodeJS.Timeout | undefined;

  function leave(seat: Seat): void {
    seat.connection?.destroy();
    delete seat.connection;
    seat.said = undefined;
  }

  async function enter(seat: Seat, signal: AbortSignal): Promise<Connection> {
    if (seat.connection) return seat.connection;
    const connection = await openConnection(seat.address, sentinelAccess, { timeoutMs, signal });
    connection.onLost(() => {
      if (seat.connection === connection) leave(seat);
    });
    seat.connection = connection;
    return connection;
  }

  async function ask(seat: Seat, signal: AbortSignal): Promise<void> {
    if (seat.busy) return;
    seat.busy = true;
    // One that is frozen takes the question and never answers.
    const late = setTimeout(() => leave(seat), timeoutMs).unref();
    try {
      const { client } = await enter(seat, signal);
      const [quorum, details] = await Promise.all([
        hasQuorum(client, master),
        client.sendCommand(["SENTINEL", "MASTER", master]),
      ]);
      if (!signal.aborted) seat.said = { quorum, replicas: replicasIn(details) };
    } catch {
      leave(seat);
    } finally {
      clearTimeout(late);
      seat.asked = true;
      seat.busy = false;
      if (signal.aborted) leave(seat);
    }
  }

  function close(): void {
    clearInterval(timer);
    running?.abort();
    running = undefined;
    for (const seat of seats) {
      leave(seat);
      seat.asked = false;
    }
  }

  return {
    get seen() {
      if (!running || seats.some(({ asked }) => !asked)) return undefined;
      const said = seats.flatMap((seat) => seat.said ?? []);
      const agreeing = said.filter(({ quorum }) => quorum).length;
      return {
        named: seats.length,
        answering: said.length,
        quorum: said.length > seats.length / 2 && agreeing > said.length / 2,
        replicas: Math.max(0, ...said.map(({ replicas }) => replicas)),
      };
    },
    start() {
      if (running) return;
      const stop = new AbortController();
      running = stop;
      const look = () => {
        for (const seat of seats) void ask(seat, stop.signal);
      };
      timer = setInterval(look, everyMs).unref();
      look();
    },
    close,
  };
}
