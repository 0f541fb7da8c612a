import type { Server as HttpServer } from "node:http";
import type { Db } from "mongodb";
import type { ServerOptions, Socket } from "socket.io";
import type { Feeds } from "../chat/services/feeds.ts";
import type { ChatServices, Message, Role, SocketLinks } from "../chat/services/types.ts";
import type { SessionGate } from "../chat/sessions/types.ts";
import type { Standings } from "../chat/standings.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Events } from "../kernel/events.ts";
import type { Limiter } from "../kernel/limiter.ts";
import type { Log } from "../kernel/log.ts";
import type { RedisDoor } from "../redis/types.ts";
import type { Presence } from "./presence.ts";
import type { Work } from "./work.ts";

export type SocketAdapter = NonNullable<ServerOptions["adapter"]>;

/** A user as the others in a room see them. */
export interface Member {
  readonly userId: string;
  readonly nickname: string;
  readonly role: Role;
}

/** One socket with the person behind it, from its handshake to its end. */
export interface Guest {
  readonly socket: Socket;
  readonly work: Work;
  /** Names the session without giving it away. */
  readonly sessionKey: string;
  /** A session of the old server has none. */
  readonly handle: string | undefined;
  /** The session as stored; another one when the same user logs in again and the handle goes over. */
  sid: string;
  member: Member;
  /** The room that this tab was in when its connection ended, if it knows. */
  readonly cameFrom: string | undefined;
  /** Its room could not be looked up yet; what it says until then is not taken in silence. */
  searching: boolean;
  room: { readonly id: string } | null;
  voice: string | null;
}

/** How the instances of one chat reach each other. */
interface Others {
  readonly door: RedisDoor;
  readonly feeds: Feeds;
  /** Asked while Redis is out: whether there is no other instance. */
  readonly alone?: () => Promise<boolean>;
}

/** What of the configuration this room reads; names and units are the configuration's. */
interface RealtimeConfig {
  readonly SOCKET_PAYLOAD_KB: number;
  readonly SOCKET_BUFFER_KB: number;
  readonly SOCKETS_PER_USER: number;
  readonly MESSAGE_LENGTH: number;
  readonly HISTORY_LIMIT: number;
  readonly TTL_SESSIONS: number;
  readonly REQUEST_TIMEOUT: number;
  readonly PRESENCE_GRACE: number;
  readonly PRESENCE_LEASE: number;
  readonly PRESENCE_BEAT: number;
  readonly TTL_ONLINE: number;
  readonly TTL_MEMBERS: number;
  readonly ROOM_LIST_INTERVAL: number;
}

export interface RealtimeOptions {
  server: HttpServer;
  config: RealtimeConfig;
  /** Pages of these origins may connect with their cookies. */
  origins: readonly string[];
  services: ChatServices;
  standings: Standings;
  gate: SessionGate;
  /** Newest secret first. */
  cookie: { name: string; secrets: readonly string[] };
  db: Db;
  log: Log;
  /** Absent: this is the only instance. */
  others?: Others;
  /** Whether servers run beside these that tell nobody who is online with them; absent: none do. */
  oldServers?: () => boolean;
  /** Absent: events are not limited, only queued. */
  limiter?: Limiter;
  clock?: Clock;
}

/** Which way a message came to this instance. */
export type Way = "here" | "redis" | "mongodb";

export type RealtimeEvents = {
  /** One per message sent to sockets here, whoever stored it. */
  delivered: { type: Message["type"] };
  /** One per message and way; the same one comes over Redis and over MongoDB. */
  arrived: { way: Way };
  /** A handshake that was turned away, by what the client was told. */
  refused: { reason: string };
  /** An event that was not carried out, for a reason that is not the client's. */
  failed: { event: string; error: unknown };
  /** An event beyond what its user may send. */
  limited: { event: string };
  /** A socket was ended because its client did not take what was sent to it. */
  slow: { bytes: number };
};

type Stream = Pick<ReturnType<Feeds["messages"]>, "live" | "lagMs" | "reason">;

interface RealtimeStats {
  connections: number;
  users: number;
  presence: ReturnType<Presence["stats"]>;
}

export interface Realtime {
  readonly links: SocketLinks;
  readonly events: Events<RealtimeEvents>;
  stats(): RealtimeStats;
  /** Users who are online on any instance; without Redis those known last, and everybody here. */
  onlineUsers(): Promise<string[]>;
  /** What is followed in MongoDB, by name; none when this is the only instance. */
  readonly streams: ReadonlyMap<string, Stream>;
  /** Sends a stored message to the sockets here; a message that was already sent is not sent again. */
  deliver(message: Message, way: Way): void;
  /** A session is gone from the store, whoever ended it: its sockets here go too, unless its handle lives on in another. */
  sessionEnded(sid: string): Promise<void>;
  /** Refuses newcomers, and sends everybody away in waves over `ms`; clients re-join their rooms elsewhere. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}
