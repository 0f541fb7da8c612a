import type { Events } from "../kernel/events.ts";

/** Which part of the data changed: the name of a channel of its own in Redis. */
export type Topic = `updates:${string}`;

/** What changed, never how: a key, and the version it has now where there is one. */
export interface News {
  readonly key: string;
  readonly version?: string;
}

export type BusEvents = {
  /** Another instance changed something. */
  news: News & { topic: Topic; sender: string };
  /** Messages may have been missed: nothing that was kept so far may be believed. */
  missed: { reason: MissedReason; topic?: Topic };
  /** Whether what others say arrives, whenever that changes. */
  well: { well: boolean; reason: string };
};

/** gap: a number was skipped. newcomer: an instance was heard for the first time. The others: the bus is not well. */
export type MissedReason = "gap" | "newcomer" | "subscription" | "silence" | "peer";

/** Tells the other instances what changed, and this one what they changed; and whether it can be relied upon. */
export interface CacheBus {
  /** False: messages may be missing at this moment, so what they would have corrected must not be used. */
  readonly well: boolean;
  /** What a message needs to arrive, as last seen; while none arrives, how long that has been so. Milliseconds. */
  readonly lagMs: number;
  readonly events: Events<BusEvents>;
  /** How many other instances are heard. */
  readonly peers: number;
  /** Returns at once; never fails. What is told on a channel that is not among its own goes nowhere. */
  publish(topic: Topic, news: News): void;
  /** Says good-bye, so that nobody waits for a sign of life. */
  close(): Promise<void>;
}
