import { setTimeout as pause } from "node:timers/promises";
import type { Guests } from "./guests.ts";
import type { Memory } from "./remember.ts";
import type { Guest } from "./types.ts";

const waveMs = 100;
const patienceMs = 1_000;
/** Of the protocol of Socket.IO. */
const disconnectPacket = { type: 1 };

/**
 * Tells the client to go, and goes on listening: what it said before it was told is still on its way, and must not be
 * lost. It closes the connection itself then.
 */
function dismiss(guest: Guest): void {
  (guest.socket as unknown as { packet(packet: { type: number }): void }).packet(disconnectPacket);
}

async function flush(memory: Memory): Promise<void> {
  await Promise.race([memory.flush(), pause(patienceMs, undefined, { ref: false })]);
}

/** Sends everybody away in waves over `ms`, so that they do not all come back to the others in the same moment. */
export async function sendAway(guests: Guests, memory: Memory, ms: number): Promise<void> {
  for (const guest of guests.all()) if (guest.room) memory.note(guest, guest.room.id, true);
  await flush(memory);
  const told = new Set<Guest>();
  const waves = Math.max(1, Math.floor(ms / waveMs));
  for (let wave = waves; wave > 0; wave--) {
    const waiting = guests.all().filter((guest) => !told.has(guest));
    if (waiting.length === 0) break;
    for (const guest of waiting.slice(0, Math.ceil(waiting.length / wave))) {
      told.add(guest);
      dismiss(guest);
    }
    if (waiting.length > 1) await pause(ms / waves);
  }
  for (let waited = 0; guests.size > 0 && waited < patienceMs; waited += 20) await pause(20);
  // What was received is still carried out: its work is not forgotten.
  for (const { socket } of guests.all()) socket.disconnect(true);
  await flush(memory);
}
