import { createEvents, type Events } from "../../kernel/events.ts";
import type { Sets } from "./sets.ts";
import type { LeasedSet } from "./types.ts";

export interface VoicePeer {
  socketId: string;
  nickname: string;
}

type VoiceEvents = {
  /** Their instance is dead. Told by one of the others. */
  dropped: { channel: string; peers: VoicePeer[] };
  /** Ours, of whom the others were told that they are gone. */
  returned: { channel: string; peers: VoicePeer[] };
};

/** The sockets in each voice channel, over all instances. */
export interface VoiceMembers {
  readonly events: Events<VoiceEvents>;
  /** Resolves when all instances can know of it, or as far as that may be while Redis is out. */
  joined(channel: string, peer: VoicePeer): Promise<unknown>;
  left(channel: string, socketId: string): void;
}

const keyOf = (channel: string) => `cache:channel:voice:${encodeURIComponent(channel)}`;

export function createVoiceMembers(sets: Sets): VoiceMembers {
  const events = createEvents<VoiceEvents>();
  const channels = new Map<string, { set: LeasedSet; peers: Map<string, VoicePeer> }>();

  function open(channel: string) {
    const known = channels.get(channel);
    if (known) return known;
    const peers = new Map<string, VoicePeer>();
    const set = sets.open(keyOf(channel), {
      guess: true,
      onReaped(gone) {
        const dropped = gone.map(({ member, profile }) => ({ socketId: member, nickname: profile }));
        events.emit("dropped", { channel, peers: dropped });
      },
      onReturned(socketIds) {
        const here = channels.get(channel)?.peers;
        const back = socketIds.flatMap((id) => here?.get(id) ?? []);
        if (back.length > 0) events.emit("returned", { channel, peers: back });
      },
    });
    const opened = { set, peers };
    channels.set(channel, opened);
    return opened;
  }

  return {
    events,
    joined(channel, peer) {
      const { set, peers } = open(channel);
      peers.set(peer.socketId, peer);
      return set.add(peer.socketId, peer.nickname);
    },
    left(channel, socketId) {
      const known = channels.get(channel);
      if (!known?.peers.delete(socketId)) return;
      known.set.remove(socketId);
      if (known.peers.size > 0) return;
      channels.delete(channel);
      sets.close(keyOf(channel));
    },
  };
}
