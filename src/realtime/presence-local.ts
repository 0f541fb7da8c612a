import type { Clock } from "../kernel/clock.ts";
import { createEvents } from "../kernel/events.ts";
import type { Presence, PresenceEvents } from "./presence.ts";
import { createRoster, type Roster } from "./roster.ts";

interface Options {
  graceMs: number;
  leaseMs: number;
  clock: Clock;
}

interface User {
  sockets: Set<string>;
  lastSeen?: Date;
  timer?: NodeJS.Timeout;
}

/** Presence on the only instance: all there is to know is in this process. */
export function createLocalPresence({ graceMs, leaseMs, clock }: Options): Presence {
  const events = createEvents<PresenceEvents>();
  const users = new Map<string, User>();
  const rooms = new Map<string, Roster>();
  let suspended = false;

  function enter(userId: string): User {
    const known = users.get(userId);
    if (known) {
      clearTimeout(known.timer);
      return known;
    }
    const user: User = { sockets: new Set() };
    users.set(userId, user);
    events.emit("online", { userId });
    return user;
  }

  function leaveLater(userId: string, user: User, ms: number): void {
    clearTimeout(user.timer);
    user.timer = setTimeout(() => {
      users.delete(userId);
      if (!suspended) events.emit("offline", { userId, ...(user.lastSeen ? { lastSeen: user.lastSeen } : {}) });
    }, ms).unref();
  }

  function rosterOf(room: string): Roster {
    const known = rooms.get(room);
    if (known) return known;
    const roster = createRoster(graceMs, (member, lost) => {
      if (roster.empty) rooms.delete(room);
      if (suspended || !lost) return;
      events.emit("changed", { room });
      events.emit("left", { room, member });
    });
    rooms.set(room, roster);
    return roster;
  }

  return {
    events,
    connected(userId, socketId) {
      enter(userId).sockets.add(socketId);
    },
    disconnected(userId, socketId) {
      const user = users.get(userId);
      if (!user?.sockets.delete(socketId)) return;
      user.lastSeen = new Date(clock.now());
      if (user.sockets.size === 0) leaveLater(userId, user, graceMs);
    },
    loggedIn(userId) {
      const user = enter(userId);
      if (user.sockets.size === 0) leaveLater(userId, user, leaseMs);
    },
    loggedOut(userId) {
      const user = users.get(userId);
      if (user?.sockets.size === 0) leaveLater(userId, user, 0);
    },
    async joined(room, member, socketId) {
      const { arrived, changed } = rosterOf(room).add(member, socketId);
      if (changed) events.emit("changed", { room });
      return arrived;
    },
    left(room, userId, socketId, how) {
      if (rooms.get(room)?.remove(userId, socketId, how)) events.emit("changed", { room });
    },
    updated(member) {
      for (const [room, roster] of rooms) if (roster.update(member)) events.emit("changed", { room });
    },
    membersOf: async (room) => rooms.get(room)?.list() ?? [],
    named: async (room, nickname) =>
      rooms
        .get(room)
        ?.list()
        .find((member) => member.nickname === nickname),
    isOnline: async (userId) => users.has(userId),
    online: () => [...users.keys()],
    suspend() {
      suspended = true;
    },
    async close() {
      suspended = true;
      for (const { timer } of users.values()) clearTimeout(timer);
      for (const roster of rooms.values()) roster.clear();
      users.clear();
      rooms.clear();
    },
  };
}
