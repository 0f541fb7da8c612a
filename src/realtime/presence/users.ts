import type { Clock } from "../../kernel/clock.ts";

interface User {
  sockets: Set<string>;
  lastSeen?: Date;
  /** Logged out: no grace after the last socket. */
  leaving: boolean;
  timer?: NodeJS.Timeout;
}

/** Who is online by this instance: users with their sockets, and those who may come back within the grace. */
export interface LocalUsers {
  has(userId: string): boolean;
  ids(): Iterable<string>;
  connected(userId: string, socketId: string): void;
  disconnected(userId: string, socketId: string): void;
  loggedIn(userId: string): void;
  loggedOut(userId: string): void;
  /** Everybody is gone at once. */
  clear(): void;
  /** Nobody leaves any more. */
  stop(): void;
}

interface Options {
  graceMs: number;
  leaseMs: number;
  clock: Clock;
  onCame(userId: string): void;
  onWent(userId: string, lastSeen?: Date): void;
}

export function createLocalUsers({ graceMs, leaseMs, clock, onCame, onWent }: Options): LocalUsers {
  const users = new Map<string, User>();
  let stopped = false;

  function enter(userId: string): User {
    const known = users.get(userId);
    if (known) {
      clearTimeout(known.timer);
      known.leaving = false;
      return known;
    }
    const user: User = { sockets: new Set(), leaving: false };
    users.set(userId, user);
    onCame(userId);
    return user;
  }

  function leaveLater(userId: string, user: User, ms: number): void {
    clearTimeout(user.timer);
    user.timer = setTimeout(() => {
      if (stopped) return;
      users.delete(userId);
      onWent(userId, user.lastSeen);
    }, ms).unref();
  }

  return {
    has: (userId) => users.has(userId),
    ids: () => users.keys(),
    connected(userId, socketId) {
      enter(userId).sockets.add(socketId);
    },
    disconnected(userId, socketId) {
      const user = users.get(userId);
      if (!user?.sockets.delete(socketId)) return;
      user.lastSeen = new Date(clock.now());
      if (user.sockets.size === 0) leaveLater(userId, user, user.leaving ? 0 : graceMs);
    },
    loggedIn(userId) {
      const user = enter(userId);
      if (user.sockets.size === 0) leaveLater(userId, user, leaseMs);
    },
    loggedOut(userId) {
      const user = users.get(userId);
      if (!user) return;
      user.leaving = true;
      if (user.sockets.size === 0) leaveLater(userId, user, 0);
    },
    clear() {
      for (const [userId, { timer, lastSeen }] of users) {
        clearTimeout(timer);
        onWent(userId, lastSeen);
      }
      users.clear();
    },
    stop() {
      stopped = true;
      for (const { timer } of users.values()) clearTimeout(timer);
    },
  };
}
