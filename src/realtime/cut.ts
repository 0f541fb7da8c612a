import type { Memory } from "./remember.ts";
import type { Guest } from "./types.ts";

export type Notice = { name: string; payload: unknown };

/** A client that is cut comes back at once if its session lives, and does not join by itself: its room is remembered. */
export function cut(guest: Guest, memory: Memory, notice?: Notice): void {
  if (notice) guest.socket.emit(notice.name, notice.payload);
  if (guest.room) memory.note(guest, guest.room.id, true);
  guest.work.clear();
  guest.socket.disconnect(true);
}
