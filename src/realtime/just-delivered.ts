import type { Message } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";

const lastingMs = 10_000;
const mostOfRoom = 500;
const mostRooms = 1_000;

export const inOrder = (a: Message, b: Message): number =>
  a.timestamp.getTime() - b.timestamp.getTime() || (a.id < b.id ? -1 : 1);

/**
 * What the sockets of this instance were sent a moment ago. A snapshot may come from a cache that another instance is
 * just about to bring up to date; what this instance has delivered already must not be absent from it.
 */
export interface JustDelivered {
  add(message: Message): void;
  /** The snapshot with what `reader` should find in it, in order; no longer than `most` by that. */
  complete(snapshot: Message[], room: string, reader: string, most: number): Message[];
}

export function createJustDelivered(clock: Clock): JustDelivered {
  const rooms = new Map<string, { at: number; message: Message }[]>();

  return {
    add(message) {
      const now = clock.now();
      const known = rooms.get(message.room) ?? [];
      const stale = (known[0]?.at ?? now) < now - lastingMs;
      const kept = stale ? known.filter(({ at }) => at >= now - lastingMs) : known;
      kept.push({ at: now, message });
      if (kept.length > mostOfRoom) kept.shift();
      rooms.delete(message.room);
      rooms.set(message.room, kept);
      if (rooms.size > mostRooms) for (const oldest of rooms.keys()) return void rooms.delete(oldest);
    },
    complete(snapshot, room, reader, most) {
      const since = clock.now() - lastingMs;
      const ids = new Set(snapshot.map(({ id }) => id));
      const absent = (rooms.get(room) ?? [])
        .filter(({ at, message: { id, type, author, target } }) => {
          const visible = type !== "private" || author === reader || target === reader;
          return at >= since && visible && !ids.has(id);
        })
        .map(({ message }) => message);
      if (absent.length === 0) return snapshot;
      return [...snapshot, ...absent].sort(inOrder).slice(-Math.max(most, snapshot.length));
    },
  };
}
