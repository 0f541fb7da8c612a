import type { Message } from "../chat/services/types.ts";
import type { Member } from "./types.ts";

/** What goes over the wire to clients, key for key. */

export const systemAuthor = "System";
export const joinLine = (nickname: string) => `${nickname} joined the channel.`;
export const leaveLine = (nickname: string) => `${nickname} left the channel.`;

// The old client crashes on an author that is null or empty, which an old document may have.
const authorOf = ({ author }: Message) => author || systemAuthor;

/** `message`, public or a system line. */
export function messagePayload(message: Message) {
  const { id, room, text, timestamp } = message;
  const common = { id, author: authorOf(message), room, text, timestamp: timestamp.toISOString() };
  if (message.type === "system") return { ...common, channel: room, type: "system" };
  return { ...common, status: "delivered", type: "public" };
}

/** `private_message`: "delivered" for its target, "sent" for the socket that wrote it. */
export function privatePayload(message: Message, status: "delivered" | "sent") {
  const { id, room, text, timestamp, target } = message;
  return {
    id,
    author: authorOf(message),
    room,
    text,
    timestamp: timestamp.toISOString(),
    type: "private",
    target,
    status,
  };
}

/** One of `history`. */
export function historyEntry(message: Message) {
  const { id, room, text, type, target, timestamp } = message;
  return { id, author: authorOf(message), room, text, type, target, timestamp: timestamp.toISOString() };
}

/** `online_users`. */
export function onlineUsers(members: readonly Member[]) {
  return members.map(({ nickname, role }) => ({ nickname, role }));
}

/** `error`. */
export function errorPayload(message: string, code?: string) {
  return { message, ...(code ? { code } : {}), timestamp: new Date().toISOString() };
}

/** `user_joined_voice` and `user_left_voice`. */
export function voicePeer(socketId: string, nickname: string) {
  return { nickname, socketId };
}
