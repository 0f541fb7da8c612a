import { refusal } from "./refusal.ts";

/** What clients send is anything at all; these answer what was meant, or throw the refusal that says why not. */

const longestRoom = 200;
const longestNickname = 50;
const longestSignal = 64 * 1024;

/** Own properties only: `__proto__` and its kin name nothing. */
function field(payload: unknown, name: string): unknown {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return undefined;
  return Object.hasOwn(payload, name) ? (payload as Record<string, unknown>)[name] : undefined;
}

/** MongoDB stores no lone surrogates; what is sent live must equal what is stored. */
const wellFormed = (text: string) => Buffer.from(text).toString();

export function readRoom(payload: unknown): string {
  const room = field(payload, "room");
  if (room === undefined || room === null || room === "") throw refusal.missingRoom();
  if (typeof room !== "string" || room.trim() === "" || room.length > longestRoom) throw refusal.invalidRoom();
  return wellFormed(room);
}

/** "" when there is nothing to say. */
export function readText(payload: unknown, most: number): string {
  const text = field(payload, "text");
  if (typeof text !== "string") throw refusal.malformed("Failed to send message");
  const trimmed = wellFormed(text.trim());
  if (trimmed.length > most) throw refusal.tooLong(most);
  return trimmed;
}

export function readPrivate(payload: unknown, most: number): { to: string; text: string } {
  const to = field(payload, "to");
  if (typeof to !== "string" || to.trim() === "" || to.trim().length > longestNickname) throw refusal.invalidTarget();
  if (typeof field(payload, "text") !== "string") throw refusal.privateFailed();
  return { to: to.trim(), text: readText(payload, most) };
}

export function readSpeaking(payload: unknown): boolean {
  const speaking = field(payload, "speaking");
  if (typeof speaking !== "boolean") throw refusal.malformed("'speaking' must be true or false");
  return speaking;
}

export function readVoiceChannel(payload: unknown): string {
  const id = field(payload, "channelId");
  if (typeof id !== "string" || id === "" || id.length > longestRoom) throw refusal.noVoiceChannel();
  return id;
}

export interface Signal {
  targetSocketId: string;
  /** The offer, answer or candidate itself. */
  body: unknown;
}

/** A candidate may be null (no more of them), an offer or an answer may not. */
export function readSignal(payload: unknown, key: "offer" | "answer" | "candidate"): Signal {
  const targetSocketId = field(payload, "targetSocketId");
  const body = field(payload, key);
  const fits = typeof body === "object" && (body !== null || key === "candidate");
  if (typeof targetSocketId !== "string" || targetSocketId.length > 64 || !fits)
    throw refusal.malformed("Invalid voice signal");
  if (sizeOf(body) > longestSignal) throw refusal.malformed("This voice signal is too large");
  return { targetSocketId, body };
}

/** Of something too deep to be written down: infinite. */
function sizeOf(body: unknown): number {
  try {
    return JSON.stringify(body).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
