import type { Clock } from "../../kernel/clock.ts";
import { createEvents } from "../../kernel/events.ts";
import type { Presence, PresenceEvents } from "../presence.ts";
import { createRoomMembers } from "./room-members.ts";
import type { Sets } from "./sets.ts";
import { createLocalUsers } from "./users.ts";

interface Options {
  sets: Sets;
  graceMs: number;
  leaseMs: number;
  clock: Clock;
}

/** Presence over all instances; without Redis, and on the only instance, by what this process knows. */
export function createPresence({ sets, graceMs, leaseMs, clock }: Options): Presence {
  const events = createEvents<PresenceEvents>();
  const doubt = (userIds: string[]) => events.emit("doubtful", { userIds });
  const set = sets.online({
    guess: false,
    onReaped: (gone) => {
      for (const { member: userId } of gone) events.emit("offline", { userId });
    },
    onReturned: (userIds) => {
      for (const userId of userIds) events.emit("online", { userId });
    },
    onMended: doubt,
  });
  sets.onComplete(() => events.emit("complete", undefined));

  const users = createLocalUsers({
    graceMs,
    leaseMs,
    clock,
    onCame: (userId) => void set.add(userId).then((first) => first && events.emit("online", { userId })),
    onWent: (userId, lastSeen) =>
      set.remove(userId, () => events.emit("offline", { userId, ...(lastSeen ? { lastSeen } : {}) })),
  });
  const rooms = createRoomMembers({
    sets,
    graceMs,
    onChanged: (room) => events.emit("changed", { room }),
    onLeft: (room, members) => events.emit("left", { room, members }),
    onVanished: (room, members) => events.emit("vanished", { room, members }),
  });

  function online(): string[] {
    const all = new Set(users.ids());
    for (const [userId] of set.others()) all.add(userId);
    return [...all];
  }

  return {
    events,
    connected: users.connected,
    disconnected: users.disconnected,
    loggedIn: users.loggedIn,
    loggedOut: users.loggedOut,
    joined: rooms.joined,
    left: rooms.left,
    updated: rooms.updated,
    membersOf: rooms.membersOf,
    async named(room, nickname) {
      const members = await rooms.membersOf(room);
      return members.find((member) => member.nickname === nickname);
    },
    online,
    async amongOnline(userIds) {
      const elsewhere = userIds.filter((userId) => !users.has(userId));
      const known = elsewhere.length > 0 ? await sets.whoIsOnline(elsewhere) : undefined;
      return new Set(userIds.filter((id) => users.has(id) || (known ? known.has(id) : set.othersHave(id))));
    },
    get complete() {
      return sets.complete;
    },
    claim: sets.claim,
    stats: () => ({ ...sets.stats(), online: online().length }),
    suspend() {
      users.stop();
      rooms.stop();
    },
    async close() {
      users.stop();
      rooms.stop();
      if (await sets.leave()) {
        users.clear();
        await set.settle();
      }
      sets.end();
    },
  };
}
