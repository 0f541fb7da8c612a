import type { Events } from "../kernel/events.ts";
import type { SharedStats } from "./presence/sets.ts";
import type { Member } from "./types.ts";

export type PresenceEvents = {
  /** The user's first socket on any instance, or a login. Told by one instance. */
  online: { userId: string };
  /**
   * The last socket is gone and the grace is over, or the instance with it is dead. `lastSeen` is absent after a login
   * that no socket followed, and after a crash. Told by one instance.
   */
  offline: { userId: string; lastSeen?: Date };
  /** Their last sockets in the room were lost and nobody came back within the grace. Told by one instance. */
  left: { room: string; members: Member[] };
  /** Their instance is dead. Told by every instance. */
  vanished: { room: string; members: Member[] };
  /** Who is in the room is another now. Told by every instance. */
  changed: { room: string };
  /** What is stored of these users may not be what is known of them. */
  doubtful: { userIds: string[] };
  /** What is known is complete: who is not known to be online is not. Told again after each outage. */
  complete: undefined;
};

/**
 * Who is online and who is in which room, over all instances. What happens on this one is noted before a call returns; what
 * must be asked of others comes with the promise. A user with two sockets is there once.
 */
export interface Presence {
  readonly events: Events<PresenceEvents>;
  connected(userId: string, socketId: string): void;
  disconnected(userId: string, socketId: string): void;
  /** Counts as online for one lease, or until the first socket comes. */
  loggedIn(userId: string): void;
  /** The user's sockets are about to be cut, without a grace; a login's lease ends. */
  loggedOut(userId: string): void;
  /** True when the others should hear of it: the user was not in the room, nor a grace ago. */
  joined(room: string, member: Member, socketId: string): Promise<boolean>;
  /** `switched`: to another room, gone at once. `lost`: the socket is gone, the user stays for the grace. */
  left(room: string, userId: string, socketId: string, how: "switched" | "lost"): void;
  /** Name or role changed. */
  updated(member: Member): void;
  membersOf(room: string): Promise<readonly Member[]>;
  /** The member of the room that goes by this name. */
  named(room: string, nickname: string): Promise<Member | undefined>;
  /** Users of all instances, those within their grace included. */
  online(): string[];
  /** Which of these users are online, as Redis knows it now; without Redis, as it was known last. */
  amongOnline(userIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Who is not known to be somewhere is not there. */
  readonly complete: boolean;
  /** True for one of all instances that ask within so many leases; within one, unless said otherwise. */
  claim(name: string, leases?: number): Promise<boolean>;
  stats(): SharedStats & { online: number };
  /** This instance is going away: its users are not announced as gone, they come back elsewhere. */
  suspend(): void;
  /** After the last instance nobody is online. */
  close(): Promise<void>;
}
