import { mayRead } from "../chat/services/access.ts";
import type { ChannelAccess, Channels, Messages } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { textRoom } from "./channel-rooms.ts";
import type { Delivery } from "./delivery.ts";
import { createLines } from "./lines.ts";
import { joinLine, leaveLine, systemAuthor } from "./payloads.ts";
import type { Presence } from "./presence.ts";
import { refusal } from "./refusal.ts";
import type { Memory } from "./remember.ts";
import type { RoomList } from "./room-list.ts";
import type { Guest } from "./types.ts";

/** A client that comes back without joining by itself is taken into its room after this. */
const waitForJoinMs = 1_000;
/** Somebody who was sent away and is back within this has never left. */
const awayMs = 60_000;

export interface Rooms {
  join(guest: Guest, room: string): Promise<void>;
  history(guest: Guest): Promise<void>;
  /** A new socket: back into the room its session was in, unless it joins one by itself. */
  resume(guest: Guest): Promise<void>;
  /** The socket is gone. */
  lost(guest: Guest): void;
  close(): void;
}

interface Options {
  channels: Pick<Channels, "byId">;
  messages: Pick<Messages, "add" | "recent">;
  delivery: Delivery;
  presence: Presence;
  roomList: RoomList;
  memory: Memory;
  clock: Clock;
  log: Log;
}

export function createRooms(options: Options): Rooms {
  const { channels, messages, delivery, presence, roomList, memory, clock, log } = options;

  async function say(room: string, text: string): Promise<void> {
    try {
      delivery.publish(await messages.add({ author: systemAuthor, room, text, type: "system" }));
    } catch (error) {
      log.warn({ room, err: messageOf(error) }, "A line about who came or went could not be stored");
    }
  }

  function leave(guest: Guest): void {
    if (!guest.room) return;
    const { id } = guest.room;
    guest.room = null;
    void guest.socket.leave(textRoom(id));
    presence.left(id, guest.member.userId, guest.socket.id, "switched");
  }

  /** Between leaving and being a member nothing is awaited, so a socket that disconnects is in one room or in none. */
  async function enter(guest: Guest, { id, adminsOnly }: ChannelAccess): Promise<boolean> {
    if (guest.room?.id === id) return false;
    leave(guest);
    guest.room = { id, adminsOnly };
    roomList.expect(guest);
    const joining = guest.socket.join(textRoom(id));
    const arriving = presence.joined(id, guest.member, guest.socket.id);
    memory.note(guest, id);
    const [arrived] = await Promise.all([arriving, joining]);
    return arrived;
  }

  async function join(guest: Guest, room: string, silent = false): Promise<void> {
    const channel = await channels.byId(room);
    if (!channel || !mayRead(channel, guest.member.role)) throw refusal.noChannel(room);
    if (!guest.socket.connected) return;
    const arrived = await enter(guest, channel);
    if (arrived && lines.came(channel.id, guest.member) && !silent)
      await say(channel.id, joinLine(guest.member.nickname));
    await roomList.sendTo(guest, channel.id);
    await history(guest);
  }

  async function history(guest: Guest): Promise<void> {
    if (!guest.room) return void guest.socket.emit("history", []);
    const { id } = guest.room;
    await delivery.history(guest, id, () => messages.recent(id, guest.member.nickname));
  }

  async function resume(guest: Guest): Promise<void> {
    const remembered = await memory.recall(guest.sessionKey);
    if (!remembered || guest.room || !guest.socket.connected) return;
    const { room, sentAway } = remembered;
    if (sentAway && clock.now() - sentAway.getTime() < awayMs) return join(guest, room, true);
    const timer = setTimeout(() => {
      const complain = (error: unknown) => log.debug({ room, err: messageOf(error) }, "A room was not joined again");
      guest.work.add(async () => (guest.room ? undefined : join(guest, room)), complain);
    }, waitForJoinMs);
    guest.socket.once("disconnect", () => clearTimeout(timer));
  }

  const lines = createLines({
    membersOf: presence.membersOf,
    onLeft: (room, { nickname }) => void say(room, leaveLine(nickname)),
  });
  presence.events.on("left", ({ room, members }) => lines.left(room, members));

  return {
    join: (guest, room) => join(guest, room),
    history,
    resume,
    lost(guest) {
      roomList.forget(guest);
      delivery.forget(guest);
      if (guest.room) presence.left(guest.room.id, guest.member.userId, guest.socket.id, "lost");
    },
    close: lines.close,
  };
}
