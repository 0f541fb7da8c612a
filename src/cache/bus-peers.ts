import type { Message } from "./bus-message.ts";
import type { MissedReason, Topic } from "./bus-types.ts";

interface Peer {
  /** The number of the last news on each channel. */
  readonly numbers: Map<Topic, number>;
  heard: number;
}

/** Who is heard on the bus, and what of theirs was missed. */
export interface Peers {
  /** Why something of this sender must have been missed, if it must. */
  note(topic: Topic, message: Message): MissedReason | undefined;
  readonly size: number;
  /** When the quietest of them was heard; Infinity when there is nobody. */
  quietest(): number;
  /** Forgets those who have not been heard since `since`: they are taken for dead. */
  forget(since: number): void;
}

export function createPeers(now: () => number): Peers {
  const peers = new Map<string, Peer>();

  function numbered(peer: Peer, topic: Topic, { kind, number }: Message): MissedReason | undefined {
    const last = peer.numbers.get(topic);
    // A sender begins at 0, so whoever is first heard with more has said something before.
    const missing = number - (last ?? 0) - (kind === "news" ? 1 : 0);
    if (last === undefined || number > last) peer.numbers.set(topic, number);
    if (missing <= 0) return undefined;
    return last === undefined ? "newcomer" : "gap";
  }

  return {
    get size() {
      return peers.size;
    },
    note(topic, message) {
      if (message.kind === "bye") {
        // What it said last is part of it: a gap must be seen all the same.
        const left = peers.get(message.sender);
        const missed = left && numbered(left, topic, message);
        peers.delete(message.sender);
        return missed;
      }
      let peer = peers.get(message.sender);
      if (!peer) {
        peer = { numbers: new Map(), heard: 0 };
        peers.set(message.sender, peer);
      }
      peer.heard = now();
      return numbered(peer, topic, message);
    },
    quietest() {
      let quietest = Number.POSITIVE_INFINITY;
      for (const { heard } of peers.values()) quietest = Math.min(quietest, heard);
      return quietest;
    },
    forget(since) {
      for (const [sender, { heard }] of peers) if (heard < since) peers.delete(sender);
    },
  };
}
