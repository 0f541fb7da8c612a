import type { Guest } from "./types.ts";

/** What lies between the server and a client that reads slower than it is written to. */
interface Connection {
  /** Packets that wait until the transport takes more. */
  writeBuffer?: { data?: unknown }[];
  transport?: { socket?: { bufferedAmount?: number; terminate?: () => void } };
}

const connectionOf = (guest: Guest) => guest.socket.conn as unknown as Connection;

function sizeOf(data: unknown): number {
  if (typeof data === "string" || data instanceof Uint8Array) return data.length;
  return 0;
}

/** Bytes that this client has not taken yet. */
function backlogOf(guest: Guest): number {
  const { writeBuffer = [], transport } = connectionOf(guest);
  let bytes = transport?.socket?.bufferedAmount ?? 0;
  for (const { data } of writeBuffer) bytes += sizeOf(data);
  return bytes;
}

export interface Backlog {
  close(): void;
}

interface Options {
  guests: { all(): Guest[] };
  limitBytes: number;
  onSlow: (guest: Guest, bytes: number) => void;
}

/** Between two looks a client cannot gather more than a room says in that time. */
const everyMs = 500;

/** Ends the connection of whoever reads so slowly that what waits for them fills the memory. */
export function createBacklog({ guests, limitBytes, onSlow }: Options): Backlog {
  const timer = setInterval(() => {
    for (const guest of guests.all()) {
      const bytes = backlogOf(guest);
      if (bytes <= limitBytes) continue;
      onSlow(guest, bytes);
      // A close would wait behind all that.
      connectionOf(guest).transport?.socket?.terminate?.();
      guest.socket.conn.close(true);
    }
  }, everyMs);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
