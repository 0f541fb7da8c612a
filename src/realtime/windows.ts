import type { Message } from "../chat/services/types.ts";
import { inOrder } from "./just-delivered.ts";
import type { Guest } from "./types.ts";

/**
 * `history` replaces a client's list, so around it nothing may be lost or shown twice. While a socket's snapshot is being
 * read, what is delivered to it waits; afterwards, what the snapshot already showed and arrives late is kept from it.
 */
export interface Windows {
  open(guest: Guest, room: string): void;
  /** True: the window has taken the message, and the socket must not be sent it now. */
  takes(guest: Guest, message: Message): boolean;
  /** The sockets of a room that must not be sent this message now. */
  heldFrom(message: Message): string[];
  /** Answers what waited, in order; late deliveries of `shown`, and of what is older than `oldest`, are kept back now. */
  settle(guest: Guest, shown: string[], oldest?: Message): Message[];
  /** Answers what waited, in order. */
  close(guest: Guest): Message[];
}

interface Window {
  room: string;
  waiting: Message[] | null;
  shown: Set<string>;
  oldest?: Message | undefined;
  timer?: NodeJS.Timeout;
}

export function createWindows(lateMs: number): Windows {
  const byGuest = new Map<Guest, Window>();
  const byRoom = new Map<string, Set<Guest>>();

  function remove(guest: Guest): Window | undefined {
    const window = byGuest.get(guest);
    if (!window) return undefined;
    clearTimeout(window.timer);
    byGuest.delete(guest);
    const inRoom = byRoom.get(window.room);
    if (inRoom?.delete(guest) && inRoom.size === 0) byRoom.delete(window.room);
    return window;
  }

  function takes(guest: Guest, message: Message): boolean {
    const window = byGuest.get(guest);
    if (!window) return false;
    if (window.waiting) {
      window.waiting.push(message);
      return true;
    }
    const late = window.shown.delete(message.id);
    if (window.oldest) return late || (message.room === window.room && inOrder(message, window.oldest) < 0);
    if (window.shown.size === 0) remove(guest);
    return late;
  }

  return {
    open(guest, room) {
      remove(guest);
      byGuest.set(guest, { room, waiting: [], shown: new Set() });
      const inRoom = byRoom.get(room);
      if (inRoom) inRoom.add(guest);
      else byRoom.set(room, new Set([guest]));
    },
    takes,
    heldFrom(message) {
      const inRoom = byRoom.get(message.room);
      if (!inRoom) return [];
      return [...inRoom].filter((guest) => takes(guest, message)).map((guest) => guest.socket.id);
    },
    settle(guest, shown, oldest) {
      const window = byGuest.get(guest);
      const isOver = (message: Message) =>
        oldest !== undefined && message.room === window?.room && inOrder(message, oldest) < 0;
      const waited = (window?.waiting ?? []).filter((message) => !isOver(message));
      if (!window || (shown.length === 0 && !oldest)) remove(guest);
      else {
        window.waiting = null;
        window.shown = new Set(shown);
        window.oldest = oldest;
        window.timer = setTimeout(() => remove(guest), lateMs).unref();
      }
      return waited.sort(inOrder);
    },
    close: (guest) => (remove(guest)?.waiting ?? []).sort(inOrder),
  };
}
