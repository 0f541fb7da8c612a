import type { Events } from "../kernel/events.ts";
import { type EpochTiming, usualEpochTiming } from "../mongo/epoch.ts";
import type { WatchReason } from "../mongo/watch.ts";

/** off: Redis is not used. shadow: both are read, MongoDB answers. serve: Redis answers for the sessions in the bucket. */
export type SessionMode = "off" | "shadow" | "serve";

export interface DialSettings {
  readonly mode: SessionMode;
  /** 0 to 100; counts while `mode` is `serve`. */
  readonly percent: number;
  /** Servers with a stock connect-mongo run beside this one. Default true. */
  readonly oldServers?: boolean;
}

/** Where the dial stands, as this instance knows it. */
export interface SessionDial {
  readonly current: DialSettings;
  onChange(listener: (now: DialSettings, before: DialSettings) => void): () => void;
}

/** Why a session of the bucket was read from MongoDB. */
export type FallbackReason =
  /** Redis is out, or only takes reads. */
  | "redis"
  /** Redis gave no answer in time. */
  | "deadline"
  /** The change stream is absent or behind. */
  | "stream"
  /** The epoch is not known, or a new one is due. */
  | "epoch"
  /** The copy is older than what this instance has seen. */
  | "older"
  /** The copy was written by somebody else's store. */
  | "foreign"
  /** The copy cannot be read. */
  | "unreadable";

export type Operation = "get" | "set" | "touch" | "destroy" | "all" | "length" | "ids" | "clear";

export type OperationResult =
  | "hit"
  | "miss"
  | "missing"
  | "ok"
  /** The session had ended before it was written. */
  | "gone"
  /** A newer write was there already. */
  | "superseded"
  | "error";

/** How a copy compared with the document, in shadow mode. `different` and `extra` are wrong, the others are not. */
export type Comparison = "same" | "absent" | "old epoch" | "skipped" | "different" | "extra";

export type SessionEvents = {
  operation: { op: Operation; store: "redis" | "mongo"; result: OperationResult; seconds: number };
  fallback: { reason: FallbackReason };
  /** A cookie with a valid signature named a session that does not exist: many are logouts. `id`: never to be logged. */
  missing: { id: string; at: number };
  /** `bumped`: by this instance. */
  epoch: { epoch: number; bumped: boolean; reason: string };
  compared: { result: Comparison };
  /** A copy was, or could not be, put right because of a change seen in the change stream. */
  followed: { change: "deleted" | "foreign" | "no redis" | "settled" | "shortened" | "revived"; ok: boolean };
  /** Where the bucket's sessions are read from, whenever that changes. */
  reading: { from: "redis" | "mongo"; reason: string };
  /** What the session holds was changed by somebody else's store. `id` as stored: never to be logged. */
  changed: { id: string };
  /** Somebody else's store moved its end: it has `leftMs` now. `id` as stored: never to be logged. */
  endMoved: { id: string; leftMs: number };
  /** Whether it is heard what others do to sessions; with `afresh`, nothing is known of the time before. */
  following: { live: boolean; reason: WatchReason };
  /** The session ended, here or, while the change stream is followed, anywhere. `id` as stored: never to be logged. */
  ended: { id: string };
};

export type SessionEventSource = Events<SessionEvents>;

export interface SessionStats {
  readonly mode: SessionMode;
  readonly percent: number;
  /** Where the bucket's sessions are read from now, and why not from Redis. */
  readonly readingFrom: "redis" | "mongo";
  readonly reason: string;
  readonly epoch: number;
  readonly epochDue: boolean;
  readonly streamLive: boolean;
  readonly streamLagMs: number;
  /** Why it is live or not, in a word or two. */
  readonly streamReason: string;
  readonly redis: string;
  /** Writes whose Redis half is still under way. */
  readonly unsettled: number;
}

/** How soon things happen, in ms. What one instance knows holds on every other within 1.5 s by these. */
export interface Timing extends EpochTiming {
  /** A change stream further behind is no proof. */
  readonly behind: number;
  /** Another instance's write is given so long to reach Redis. */
  readonly settle: number;
  readonly lease: number;
  /** What was seen is remembered for at least so long. */
  readonly floor: number;
}

export const defaultTiming: Timing = {
  ...usualEpochTiming,
  behind: 1_000,
  settle: 300,
  lease: 3_000,
  floor: 4_000,
};
