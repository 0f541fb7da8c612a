import type { Server } from "socket.io";
import { mayRead } from "../chat/services/access.ts";
import type { Channels } from "../chat/services/types.ts";
import { voiceRoom } from "./channel-rooms.ts";
import type { Guests } from "./guests.ts";
import type { Orders } from "./orders.ts";
import { voicePeer } from "./payloads.ts";
import type { VoiceMembers } from "./presence/voice-members.ts";
import type { Signal } from "./reading.ts";
import { refusal } from "./refusal.ts";
import type { Threshold } from "./threshold.ts";
import type { Guest } from "./types.ts";

export type SignalEvent = "voice_offer" | "voice_answer" | "ice_candidate";
export const signalKeys = { voice_offer: "offer", voice_answer: "answer", ice_candidate: "candidate" } as const;

export interface Voice {
  join(guest: Guest, channelId: string): Promise<void>;
  leave(guest: Guest): void;
  /** To one socket of the same voice channel, wherever it is connected. */
  relay(guest: Guest, event: SignalEvent, signal: Signal): void;
  /** A signal from another instance; false when its target is not here. */
  receive(signal: { channel: string; to: string; event: string; payload: unknown }): boolean;
}

interface Options {
  io: Server;
  channels: Pick<Channels, "byId">;
  guests: Guests;
  orders: Orders;
  members: VoiceMembers;
  /** There are other instances, as far as is known. */
  amongOthers: () => boolean;
  threshold: Pick<Threshold, "cross">;
}

export function createVoice({ io, channels, guests, orders, members, amongOthers, threshold }: Options): Voice {
  function tellOthers(guest: Guest, channel: string, event: string): void {
    guest.socket.to(voiceRoom(channel)).emit(event, voicePeer(guest.socket.id, guest.member.nickname));
  }

  function leave(guest: Guest): void {
    const channel = guest.voice;
    if (channel === null) return;
    guest.voice = null;
    members.left(channel, guest.socket.id);
    tellOthers(guest, channel, "user_left_voice");
    void guest.socket.leave(voiceRoom(channel));
    guest.socket.emit("voice_left");
  }

  function receive({ channel, to, event, payload }: Parameters<Voice["receive"]>[0]): boolean {
    const target = guests.byId(to);
    if (!target) return false;
    if (target.voice === channel) target.socket.emit(event, payload);
    return true;
  }

  members.events.on("dropped", ({ channel, peers }) => {
    for (const { socketId, nickname } of peers)
      io.to(voiceRoom(channel)).emit("user_left_voice", voicePeer(socketId, nickname));
  });
  members.events.on("returned", ({ channel, peers }) => {
    for (const { socketId } of peers) {
      const guest = guests.byId(socketId);
      if (guest?.voice === channel) tellOthers(guest, channel, "user_joined_voice");
    }
  });

  async function join(guest: Guest, channelId: string): Promise<void> {
    const channel = await channels.byId(channelId);
    if (channel?.type !== "voice" || !mayRead(channel, guest.member.role)) throw refusal.noVoiceChannel();
    if (!guest.socket.connected) return;
    if (guest.voice !== channelId) {
      leave(guest);
      guest.voice = channelId;
      // First of all: should this process die now, nobody else could tell that who was told of is gone.
      await members.joined(channelId, voicePeer(guest.socket.id, guest.member.nickname));
      if (guest.voice !== channelId) return;
      tellOthers(guest, channelId, "user_joined_voice");
      await guest.socket.join(voiceRoom(channelId));
    }
    guest.socket.emit("voice_joined", { channelId });
    // Nobody elsewhere hears of it, and neither does this one of them.
    if (!orders.live && amongOthers()) throw refusal.voiceAlone();
  }

  return {
    join: (guest, channelId) => threshold.cross(() => join(guest, channelId)),
    leave,
    relay(guest, event, { targetSocketId, body }) {
      if (guest.voice === null) return;
      const payload = { [signalKeys[event]]: body, from: guest.socket.id, fromNickname: guest.member.nickname };
      const signal = { channel: guest.voice, to: targetSocketId, event, payload };
      if (!receive(signal)) orders.tell({ kind: "signal", ...signal });
    },
    receive,
  };
}
