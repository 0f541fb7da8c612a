import { LRUCache } from "lru-cache";
import type { Message } from "../chat/services/types.ts";
import { type Packet, packetOf } from "./packets.ts";
import { historyEntry } from "./payloads.ts";
import { placeOf } from "./place.ts";

const mostRooms = 256;

/** Whoever enters a room is shown what the one before was, as long as nothing is said there: that is made once. */
export function createHistoryPackets(): (room: string, messages: Message[]) => Packet {
  const made = new LRUCache<string, { messages: Message[]; packet: Packet }>({ max: mostRooms });

  return (room, messages) => {
    const known = made.get(room);
    const same = known?.messages.length === messages.length && messages.every((one, at) => one === known.messages[at]);
    if (known && same) return known.packet;
    const packet = packetOf("history", messages.map(historyEntry), placeOf(room));
    made.set(room, { messages, packet });
    return packet;
  };
}
