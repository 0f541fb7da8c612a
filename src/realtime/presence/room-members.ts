import type { Role } from "../../chat/services/types.ts";
import { createRoster, type Roster } from "../roster.ts";
import type { Member } from "../types.ts";
import type { Sets } from "./sets.ts";
import type { LeasedSet } from "./types.ts";

/** Who is in which room, over all instances. */
export interface RoomMembers {
  joined(room: string, member: Member, socketId: string): Promise<boolean>;
  left(room: string, userId: string, socketId: string, how: "switched" | "lost"): void;
  updated(member: Member): void;
  membersOf(room: string): Promise<readonly Member[]>;
  stop(): void;
}

interface Options {
  sets: Sets;
  graceMs: number;
  onChanged(room: string): void;
  onLeft(room: string, members: Member[]): void;
  onVanished(room: string, members: Member[]): void;
}

/** Who has gone may be back on another instance by now: it is known here for a moment more. */
const lingerMs = 1_000;

interface Room {
  roster: Roster;
  set: LeasedSet;
  /** Of all instances, until somebody comes or goes. */
  listed?: readonly Member[] | undefined;
}

// A channel's id may be an old one with braces, which would be taken for a hash tag.
const keyOf = (room: string) => `cache:channel:users:${encodeURIComponent(room)}`;

const profileOf = ({ role, nickname }: Member) => `${role} ${nickname}`;

function memberOf(userId: string, profile: string): Member {
  const at = profile.indexOf(" ");
  return { userId, role: profile.slice(0, at) as Role, nickname: profile.slice(at + 1) };
}

export function createRoomMembers({ sets, graceMs, onChanged, onLeft, onVanished }: Options): RoomMembers {
  const rooms = new Map<string, Room>();
  let stopped = false;

  function changed(id: string): void {
    const room = rooms.get(id);
    if (room) room.listed = undefined;
    onChanged(id);
  }

  function open(id: string): Room {
    const known = rooms.get(id);
    if (known) return known;
    const membersIn = (gone: readonly { member: string; profile: string }[]) =>
      gone.map(({ member, profile }) => memberOf(member, profile));
    const set = sets.open(keyOf(id), {
      guess: true,
      onChanged: () => changed(id),
      onReaped(gone) {
        changed(id);
        onLeft(id, membersIn(gone));
      },
      onVanished: (gone) => onVanished(id, membersIn(gone)),
    });
    const roster = createRoster(graceMs, (member, lost) => {
      if (stopped) return;
      if (lost) {
        set.remove(member.userId, () => onLeft(id, [member]));
        changed(id);
      }
      if (roster.empty) setTimeout(closeIfEmpty, lingerMs).unref();
    });
    function closeIfEmpty(): void {
      if (!roster.empty || stopped || rooms.get(id) !== room) return;
      rooms.delete(id);
      sets.close(keyOf(id));
    }
    const room = { roster, set };
    rooms.set(id, room);
    return room;
  }

  return {
    async joined(id, member, socketId) {
      const { roster, set } = open(id);
      const { arrived, changed: news } = roster.add(member, socketId);
      if (!news) return false;
      const first = set.add(member.userId, profileOf(member));
      changed(id);
      // Somebody who was here a grace ago has not arrived, whatever the others know.
      return (await first) && arrived;
    },
    left(id, userId, socketId, how) {
      const room = rooms.get(id);
      if (stopped || !room?.roster.remove(userId, socketId, how)) return;
      room.set.remove(userId);
      changed(id);
    },
    updated(member) {
      for (const [id, { roster, set }] of rooms) {
        if (!roster.update(member)) continue;
        void set.add(member.userId, profileOf(member));
        changed(id);
      }
    },
    async membersOf(id) {
      const room = rooms.get(id);
      if (!room) return [];
      await room.set.ready();
      if (room.listed) return room.listed;
      const all = new Map<string, Member>();
      for (const member of room.roster.list()) all.set(member.userId, member);
      for (const [userId, profile] of room.set.others())
        if (!all.has(userId)) all.set(userId, memberOf(userId, profile));
      room.listed = [...all.values()];
      return room.listed;
    },
    stop() {
      stopped = true;
      for (const { roster } of rooms.values()) roster.stop();
    },
  };
}
