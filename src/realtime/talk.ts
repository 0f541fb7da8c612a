import { mayWrite } from "../chat/services/access.ts";
import type { Channels, Messages, Standing, Users } from "../chat/services/types.ts";
import type { Standings } from "../chat/standings.ts";
import type { Clock } from "../kernel/clock.ts";
import { UnavailableError } from "../kernel/errors.ts";
import { textRoom } from "./channel-rooms.ts";
import type { Delivery } from "./delivery.ts";
import type { Presence } from "./presence.ts";
import { refusal } from "./refusal.ts";
import type { Memory } from "./remember.ts";
import type { Statuses } from "./statuses.ts";
import type { Guest } from "./types.ts";

/** What people say in the room they are in. */
export interface Talk {
  message(guest: Guest, text: string): Promise<void>;
  privateMessage(guest: Guest, to: string, text: string): Promise<void>;
  speaking(guest: Guest, speaking: boolean): void;
}

interface Options {
  messages: Pick<Messages, "add">;
  channels: Pick<Channels, "byId">;
  users: Pick<Users, "byNickname">;
  standings: Standings;
  presence: Presence;
  memory: Memory;
  delivery: Delivery;
  statuses: Statuses;
  clock: Clock;
  /** What was read of a user who acts: sockets of one who is banned by now are cut. */
  recognise: (standing: Standing) => void;
  /** A user has said something in this room on a connection that is gone by now. */
  gone: (userId: string, room: string) => void;
}

export function createTalk(options: Options): Talk {
  const { messages, channels, users, standings, presence, memory, delivery, statuses, clock, recognise, gone } =
    options;

  /** Throws unless the guest may write in that room now, whatever it was when they came. */
  async function judge(guest: Guest, room: string): Promise<void> {
    const [standing, channel] = await Promise.all([standings.recent(guest.member.userId), channels.byId(room)]);
    if (!standing) throw refusal.muted();
    recognise(standing);
    if (standing.banned || (standing.muteExpires && standing.muteExpires.getTime() > clock.now()))
      throw refusal.muted();
    if (!channel) throw refusal.noChannel(room);
    if (!mayWrite(channel, standing.role)) throw refusal.adminsOnly();
  }

  /** Who came to another instance while Redis was out is not known here, and is found by where they were last. */
  async function isIn(room: string, nickname: string): Promise<boolean> {
    if (await presence.named(room, nickname)) return true;
    if (presence.complete || !(await memory.wasIn(room, nickname))) return false;
    return (await users.byNickname(nickname))?.status === "online";
  }

  return {
    async message(guest, text) {
      if (guest.searching) throw new UnavailableError("The room of this socket is not known yet");
      if (!guest.room || text === "") return;
      const { id: room } = guest.room;
      await judge(guest, room);
      delivery.publish(await messages.add({ author: guest.member.nickname, room, text, type: "public" }));
      statuses.active(guest.member.userId);
    },
    async privateMessage(guest, to, text) {
      const { nickname, userId } = guest.member;
      if (to === nickname) throw refusal.toSelf();
      if (!guest.room) throw refusal.notInRoom(to);
      if (text === "") return;
      const { id: room } = guest.room;
      await judge(guest, room);
      if (!(await isIn(room, to))) throw refusal.notInRoom(to);
      const message = { author: nickname, room, text, type: "private" as const, target: to };
      delivery.publish(await messages.add(message), guest);
      // What everybody is shown reaches whoever has come back; the writer's copy goes to this connection alone.
      if (!guest.socket.connected) gone(userId, room);
      statuses.active(userId);
    },
    speaking(guest, speaking) {
      if (guest.room)
        guest.socket.to(textRoom(guest.room.id)).emit("speaking", { nickname: guest.member.nickname, speaking });
    },
  };
}
