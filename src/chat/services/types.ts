/** What routes and sockets may ask of the chat. A cache is declared beside these functions without a change in their callers. */

import type { ReadFrom } from "../../cache/types.ts";
import type { Emoji } from "./emoji.ts";

/** Is told where an answer came from. */
export type Told = (from: ReadFrom) => void;

export type Role = "admin" | "moderator" | "member";
export type UserStatus = "online" | "offline";

/** A user as others may see them. */
export interface UserCard {
  id: string;
  nickname: string;
  role: Role;
  status: UserStatus;
  createdAt: Date;
  lastActive: Date;
}

/** What decides whether somebody may act; read for each authentication. */
export interface Standing {
  id: string;
  nickname: string;
  role: Role;
  banned: boolean;
  muteExpires: Date | null;
  /** Tokens without a session handle, and sessions begun before, are dead. */
  endedBefore: Date | null;
}

export interface Account extends UserCard {
  email: string;
}

export interface Channel {
  id: string;
  name: string;
  type: "text" | "voice";
  description?: string;
  createdBy: string;
  position: number;
}

/** A channel with what decides who may use it. */
export interface ChannelAccess extends Channel {
  adminsOnly: { read: boolean; write: boolean };
}

export type MessageType = "public" | "private" | "system";

export interface Message {
  id: string;
  author: string;
  room: string;
  text: string;
  type: MessageType;
  target: string | null;
  timestamp: Date;
}

export interface NewMessage {
  author: string;
  room: string;
  text: string;
  type: MessageType;
  target?: string;
}

export interface UserPage {
  users: UserCard[];
  /** Ask with this for those seen before; null at the end. */
  cursor: string | null;
}

export interface Users {
  /** Everybody, by nickname in binary order. */
  list(told?: Told): Promise<UserCard[]>;
  /** Those last seen first. */
  page(options: { limit: number; cursor?: string }, told?: Told): Promise<UserPage>;
  /** Those of them that exist, by nickname in binary order. */
  some(ids: readonly string[], told?: Told): Promise<UserCard[]>;
  standing(id: string): Promise<Standing | null>;
  byNickname(nickname: string): Promise<UserCard | null>;
  /** One bulk write for many: presence is written in batches. */
  setStatus(changes: { id: string; status: UserStatus; lastActive?: Date }[]): Promise<void>;
  /** Ids of all who are stored as online. */
  markedOnline(): Promise<string[]>;
  touch(id: string, at: Date): Promise<void>;
  /** Offline, and the tokens and sessions of the old server, which have no handle, die: those from before now. */
  loggedOut(id: string): Promise<void>;
}

export interface Accounts {
  /**
   * `wanted`: false once nobody waits any more; what is not done by then is not begun. `seen` is told who may be stored as
   * online from now on, also when it cannot be said whether they are, or nobody waits for it.
   */
  register(
    input: { nickname: string; email: string; password: string },
    wanted?: () => boolean,
    seen?: (userId: string) => void,
  ): Promise<Account>;
  /** What failures of this identifier are counted under: one account, by whichever of its names. */
  keyOf(identifier: string): Promise<string>;
  /** null: unknown user or wrong password, not told apart, in equal time. */
  login(
    identifier: string,
    password: string,
    wanted?: () => boolean,
    seen?: (userId: string) => void,
  ): Promise<LoginResult | null>;
}

export type LoginResult =
  | { kind: "welcome"; account: Account }
  | { kind: "banned"; reason: string; expires: Date | null };

export interface Channels {
  list(told?: Told): Promise<Channel[]>;
  byId(id: string): Promise<ChannelAccess | null>;
  /** Of these, those that there are, as they are in MongoDB now. */
  accessOf(ids: readonly string[]): Promise<ChannelAccess[]>;
  create(input: { name: string; type: "text" | "voice"; description?: string; createdBy: string }): Promise<Channel>;
}

export interface MessagePage {
  /** Ascending. */
  messages: Message[];
  /** Ask with this for what is older; null at the beginning. */
  before: string | null;
}

export interface Messages {
  /** Stores it; once this answers, `recent` and `page` contain it. */
  add(message: NewMessage): Promise<Message>;
  /** The newest of the channel, ascending by (timestamp, id): public, system, and private ones from or to `reader`. */
  recent(room: string, reader: string): Promise<Message[]>;
  /** Whether a system line of this text was stored at `since` or later. */
  wasSaid(room: string, text: string, since: Date): Promise<boolean>;
  page(room: string, reader: string, options: { before?: string; limit: number }, told?: Told): Promise<MessagePage>;
}

export interface Moderation {
  listUsers(page: number, limit: number): Promise<{ users: Record<string, unknown>[]; total: number }>;
  ban(
    actor: Standing,
    id: string,
    input: { reason: string; durationSeconds?: number },
  ): Promise<Record<string, unknown>>;
  unban(actor: Standing, id: string): Promise<Record<string, unknown>>;
  warn(actor: Standing, id: string, reason: string): Promise<Record<string, unknown>>;
  setRole(actor: Standing, id: string, role: Role): Promise<Record<string, unknown>>;
  mute(actor: Standing, id: string, seconds: number): Promise<Record<string, unknown>>;
  unmute(actor: Standing, id: string): Promise<Record<string, unknown>>;
}

export interface ChatServices {
  users: Users;
  accounts: Accounts;
  channels: Channels;
  messages: Messages;
  moderation: Moderation;
  emoji: Emoji;
}

/** How the routes reach the sockets of the chat without knowing Socket.IO. */
export interface SocketLinks {
  /** The user's sockets on every instance. */
  countUser(userId: string): Promise<number>;
  /** Cuts every socket of the user, on every instance; answers how many. `event`: sent first. */
  disconnectUser(userId: string, event?: { name: "banned"; payload: unknown }): Promise<number>;
  /** Cuts the sockets that were opened with this session; answers how many. */
  disconnectSession(handle: string): Promise<number>;
  /** Role, mute or nickname changed: sockets must ask again who they are. */
  refreshUser(userId: string): Promise<void>;
  /** Registration and login count as online for one lease, although no socket is there yet. */
  loggedIn(userId: string): void;
}
