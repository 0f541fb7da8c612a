import type { Guest, Member } from "./types.ts";

/** Everybody who is connected to this instance, found by user, nickname or session. */
export interface Guests {
  readonly size: number;
  readonly users: number;
  /** Crowded: the user has as many sockets here as one may have; cut: that happened since `mark`. */
  admit(guest: Guest, mark: number): "welcome" | "crowded" | "cut";
  remove(guest: Guest): void;
  /** The user's name or role is another now. */
  update(guest: Guest, member: Member): void;
  byId(socketId: string): Guest | undefined;
  ofUser(userId: string): Guest[];
  named(nickname: string): Guest[];
  ofSession(sessionKey: string): Guest[];
  ofSid(sid: string): Guest[];
  /** The guest's session goes on under another sid. */
  move(guest: Guest, sid: string): void;
  all(): Guest[];
  /** A handshake takes one before it reads the session, so that a logout during it is not overlooked. */
  mark(): number;
  /** Whoever began a handshake before this, as that user or with that session, is not admitted. */
  noteCut(name: string): void;
}

function createIndex() {
  const sets = new Map<string, Set<Guest>>();
  return {
    get size() {
      return sets.size;
    },
    add(key: string, guest: Guest) {
      const set = sets.get(key);
      if (set) set.add(guest);
      else sets.set(key, new Set([guest]));
    },
    remove(key: string, guest: Guest) {
      const set = sets.get(key);
      if (set?.delete(guest) && set.size === 0) sets.delete(key);
    },
    count: (key: string) => sets.get(key)?.size ?? 0,
    list: (key: string) => [...(sets.get(key) ?? [])],
  };
}

const cutsRemembered = 1_000;

export function createGuests(socketsPerUser: number): Guests {
  const ids = new Map<string, Guest>();
  const users = createIndex();
  const names = createIndex();
  const sessions = createIndex();
  const sids = createIndex();
  const cuts = new Map<string, number>();
  let marks = 0;

  function remove(guest: Guest): void {
    if (!ids.delete(guest.socket.id)) return;
    users.remove(guest.member.userId, guest);
    names.remove(guest.member.nickname, guest);
    sessions.remove(guest.sessionKey, guest);
    sids.remove(guest.sid, guest);
  }

  const cutSince = (name: string, mark: number) => (cuts.get(name) ?? -1) >= mark;

  return {
    get size() {
      return ids.size;
    },
    get users() {
      return users.size;
    },
    admit(guest, mark) {
      const { userId, nickname } = guest.member;
      if ([userId, guest.sessionKey, guest.sid].some((name) => cutSince(name, mark))) return "cut";
      if (users.count(userId) >= socketsPerUser) return "crowded";
      ids.set(guest.socket.id, guest);
      users.add(userId, guest);
      names.add(nickname, guest);
      sessions.add(guest.sessionKey, guest);
      sids.add(guest.sid, guest);
      // Between the handshake and the connection the transport may close, and no event says so.
      setImmediate(() => {
        if (!guest.socket.connected) remove(guest);
      });
      return "welcome";
    },
    remove,
    update(guest, member) {
      names.remove(guest.member.nickname, guest);
      guest.member = member;
      if (ids.has(guest.socket.id)) names.add(member.nickname, guest);
    },
    byId: (socketId) => ids.get(socketId),
    ofUser: users.list,
    named: names.list,
    ofSession: sessions.list,
    ofSid: sids.list,
    move(guest, sid) {
      sids.remove(guest.sid, guest);
      guest.sid = sid;
      if (ids.has(guest.socket.id)) sids.add(sid, guest);
    },
    all: () => [...ids.values()],
    mark: () => ++marks,
    noteCut(name) {
      cuts.delete(name);
      cuts.set(name, marks);
      if (cuts.size <= cutsRemembered) return;
      for (const oldest of cuts.keys()) return void cuts.delete(oldest);
    },
  };
}
