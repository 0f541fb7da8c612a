import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io";

/**
 * Where a tab was, as it says itself when it comes back. A client of Socket.IO that was given a private id keeps the last
 * text at the end of an event, and sends it along when it connects again: two tabs of one session, which may be in
 * different rooms, each bring back their own. An older client brings nothing, and is found by its session.
 */
const mark = "room:";
const longest = 200;

/** At the end of the event that takes a tab into a room. */
export const placeOf = (room: string): string => `${mark}${room}`;

/** Before it is let in: a new id each time, so that no client believes that nothing was missed. */
export function askForPlace(socket: Socket): void {
  Object.assign(socket, { pid: randomUUID() });
}

export function placeFrom(socket: Socket): string | undefined {
  const { offset } = socket.handshake.auth as { offset?: unknown };
  if (typeof offset !== "string" || offset.length > longest || !offset.startsWith(mark)) return undefined;
  return offset.slice(mark.length);
}
