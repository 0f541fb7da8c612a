import type { RedisClientType } from "redis";
import type { Events } from "../kernel/events.ts";

/**
 * up: answers are trusted. degraded: reads are trusted, writes are refused by the server (OOM, READONLY).
 * down: unreachable, frozen, or the breaker is open. recovering: it answers, but the recovery stages are not through.
 * disabled: the kill switch is on.
 */
export type RedisState = "up" | "degraded" | "down" | "recovering" | "disabled";

export type UnavailableReason = "disabled" | "down" | "deadline" | "budget" | "refused" | "failed";

/**
 * Redis gave no answer that may be used. `unknownOutcome`: the command may have run all the same (of several commands in
 * one call, what is known of the first that failed says nothing of the others).
 */
export interface Unavailable {
  readonly ok: false;
  readonly reason: UnavailableReason;
  readonly unknownOutcome: boolean;
  readonly error?: Error;
}

export type Answer<T> = { readonly ok: true; readonly value: T } | Unavailable;

/** The commands that the product uses: those of a node-redis client, whichever topology stands behind it. */
export type Commands = Pick<
  RedisClientType,
  | "get"
  | "set"
  | "del"
  | "unlink"
  | "exists"
  | "expire"
  | "pExpire"
  | "pTTL"
  | "getEx"
  | "mGet"
  | "scan"
  | "incr"
  | "time"
  | "hGet"
  | "hSet"
  | "hDel"
  | "hGetAll"
  | "hVals"
  | "hmGet"
  | "hLen"
  | "hIncrBy"
  | "sAdd"
  | "sRem"
  | "sMembers"
  | "sIsMember"
  | "sCard"
  | "smIsMember"
  | "zAdd"
  | "zRem"
  | "zRange"
  | "zRangeWithScores"
  | "zScore"
  | "zCard"
  | "lPush"
  | "rPush"
  | "lRange"
  | "lTrim"
  | "lLen"
  | "publish"
  | "pubSubNumSub"
  | "ping"
  | "info"
>;

export interface CallOptions {
  /** Instead of the configured deadline. On the main lane a reply overdue by REDIS_WATCHDOG ends everything all the same. */
  deadlineMs?: number;
  /** `heavy`: long or big commands, on connections of their own. */
  lane?: "main" | "heavy";
}

/** A Lua script with its name and number of keys; loaded by SHA, sent whole once when the server does not know it. */
export interface Script {
  readonly name: string;
  readonly keys: number;
  readonly lua: string;
}

export interface Subscription {
  /** False while the connection behind it is lost: messages may be missed. */
  readonly live: boolean;
  onLive(listener: (live: boolean) => void): () => void;
  close(): Promise<void>;
}

/** Something that must be done before Redis is trusted again. Lower orders first; a failure ends the attempt. */
export interface RecoveryStage {
  readonly name: string;
  readonly order: number;
  run(signs: RecoverySigns): Promise<void>;
}

/** What is known of the server that came back. `sameData: false`: the first there is, another run of a server, or the canary key is gone or older. */
export interface RecoverySigns {
  readonly sameData: boolean;
}

/** `reason`: why it failed, for everybody. */
export interface Attempt {
  readonly ok: boolean;
  readonly reason: string;
}

export type DoorEvents = {
  state: { from: RedisState; to: RedisState; reason: string; at: number };
  /** One per call that gave no answer. */
  unavailable: { name: string; reason: UnavailableReason; unknownOutcome: boolean; error?: Error };
  /** One per call that gave an answer and was timed, which one in several is. */
  timed: { name: string; seconds: number };
  /** One per attempt to connect, when it has ended; none for one that was given up because nobody wants Redis any more. */
  attempt: Attempt;
};

/** A snapshot for the health page; no address, no secret. */
export interface RedisHealth {
  readonly state: RedisState;
  readonly since: number;
  readonly reason: string;
  readonly topology: "none" | "single" | "sentinel" | "cluster";
  readonly role?: string;
  readonly version?: string;
  readonly connections: { open: number; limit?: number; serverClients?: number; serverLimit?: number };
  readonly memory?: { used: number; max: number; policy: string };
  /** Why messages do not arrive although Redis is in use; undefined while they do. */
  readonly deaf?: string;
  /** Of the last PING, seconds; undefined when it was not answered. */
  readonly responseTime?: number;
  readonly waiting: number;
  /** Those that follow the masters, as these tell, and how far the last of them is behind. */
  readonly replicas?: { following: number; lagSeconds: number };
  /** Of those that the configuration names; `quorum`: they would agree on a new master. `replicas`: how many they know. */
  readonly sentinels?: { named: number; answering: number; quorum: boolean; replicas: number };
}

/** Delivers what was published, as bytes. */
export type MessageListener = (message: Buffer, channel: string) => void;

/** The one way to Redis. No call throws, none takes longer than its deadline, none is sent while Redis is not trusted. */
export interface RedisDoor {
  readonly state: RedisState;
  readonly events: Events<DoorEvents>;
  /** How many calls gave an answer so far, by their name: an event for each would be a twentieth of what a call costs. */
  answered(): ReadonlyMap<string, number>;
  /** Begins to connect, and answers at once; to be called when the recovery stages are registered. */
  start(): void;
  call<T>(name: string, command: (redis: Commands) => Promise<T>, options?: CallOptions): Promise<Answer<T>>;
  /** `call` for the hottest paths: no promise. Where nothing may be sent, the answer comes at once. */
  ask<T>(
    name: string,
    command: (redis: Commands) => Promise<T>,
    options: CallOptions | undefined,
    onAnswer: (answer: Answer<T>) => void,
  ): void;
  script<T>(script: Script, keys: string[], args: (string | Buffer)[], options?: CallOptions): Promise<Answer<T>>;
  /** What a channel is called here: Pub/Sub knows no database numbers, and chats that share a Redis by them must not hear each other. */
  channel(name: string): string;
  subscribe(channel: string, listener: (message: string) => void): Subscription;
  /** For libraries: several channels by a pattern, and messages that are not text. */
  listen(target: { channel: string } | { pattern: string }, listener: MessageListener): Subscription;
  /** The stage's own calls pass while the state is `recovering`; nobody else's do. */
  onRecovery(stage: RecoveryStage): () => void;
  /** The kill switch: closes every connection, or opens them again. */
  disable(disabled: boolean, reason: string): Promise<void>;
  /** Answers at once from the last heartbeat, one PING per second however often this is asked; the state is that of now. */
  health(): Promise<RedisHealth>;
  close(): Promise<void>;
}
