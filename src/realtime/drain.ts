import { setTimeout as pause } from "node:timers/promises";
import type { Guests } from "./guests.ts";
import { cut } from "./links.ts";
import type { Memory } from "./remember.ts";

const waveMs = 100;
const patienceMs = 1_000;

/** Sends everybody away in waves over `ms`, so that they do not all come back to the others in the same moment. */
export async function sendAway(guests: Guests, memory: Memory, ms: number): Promise<void> {
  for (const guest of guests.all()) if (guest.room) memory.note(guest.sessionKey, guest.room.id, true);
  await Promise.race([memory.flush(), pause(patienceMs, undefined, { ref: false })]);
  const waves = Math.max(1, Math.floor(ms / waveMs));
  for (let wave = waves; wave > 0 && guests.size > 0; wave--) {
    const share = Math.ceil(guests.size / wave);
    for (const guest of guests.all().slice(0, share)) cut(guest, memory);
    if (guests.size > 0) await pause(ms / waves);
  }
  await Promise.race([memory.flush(), pause(patienceMs, undefined, { ref: false })]);
}
