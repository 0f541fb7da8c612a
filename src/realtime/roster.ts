import type { Member } from "./types.ts";

interface Entry {
  member: Member;
  sockets: Set<string>;
  /** Set once the last socket is gone, until somebody comes back or the grace is over. */
  timer?: NodeJS.Timeout;
  /** Gone to another room: not listed, but a return within the grace is no arrival. */
  hidden: boolean;
}

/** The members of one room: users with their sockets in it, and those who may come back within the grace. */
export interface Roster {
  readonly empty: boolean;
  /** `arrived`: not there before, nor a grace ago. `changed`: the list is another now. */
  add(member: Member, socketId: string): { arrived: boolean; changed: boolean };
  /** True when the list is another now. */
  remove(userId: string, socketId: string, how: "switched" | "lost"): boolean;
  update(member: Member): boolean;
  list(): readonly Member[];
  /** Nobody leaves by time any more. */
  stop(): void;
}

/** `onGone` after the grace: `lost` tells whether the socket was lost or its user had gone elsewhere. */
export function createRoster(graceMs: number, onGone: (member: Member, lost: boolean) => void): Roster {
  const entries = new Map<string, Entry>();
  let listed: readonly Member[] | undefined;

  function startGrace(entry: Entry, userId: string): void {
    entry.timer = setTimeout(() => {
      entries.delete(userId);
      listed = undefined;
      onGone(entry.member, !entry.hidden);
    }, graceMs).unref();
  }

  return {
    get empty() {
      return entries.size === 0;
    },
    add(member, socketId) {
      const entry = entries.get(member.userId);
      if (!entry) {
        entries.set(member.userId, { member, sockets: new Set([socketId]), hidden: false });
        listed = undefined;
        return { arrived: true, changed: true };
      }
      clearTimeout(entry.timer);
      const changed = entry.hidden || entry.member.nickname !== member.nickname || entry.member.role !== member.role;
      entry.member = member;
      entry.hidden = false;
      entry.sockets.add(socketId);
      if (changed) listed = undefined;
      return { arrived: false, changed };
    },
    remove(userId, socketId, how) {
      const entry = entries.get(userId);
      if (!entry?.sockets.delete(socketId) || entry.sockets.size > 0) return false;
      entry.hidden = how === "switched";
      startGrace(entry, userId);
      if (entry.hidden) listed = undefined;
      return entry.hidden;
    },
    update(member) {
      const entry = entries.get(member.userId);
      if (!entry) return false;
      entry.member = member;
      listed = undefined;
      return !entry.hidden;
    },
    list() {
      listed ??= [...entries.values()].filter(({ hidden }) => !hidden).map(({ member }) => member);
      return listed;
    },
    stop() {
      for (const { timer } of entries.values()) clearTimeout(timer);
    },
  };
}
