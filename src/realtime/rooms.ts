import { mayRead } from "../chat/services/access.ts";
import type { Channels, Messages } from "../chat/services/types.ts";
import type { Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { textRoom } from "./channel-rooms.ts";
import type { Delivery } from "./delivery.ts";
import { createLines } from "./lines.ts";
import { errorPayload, joinLine, leaveLine, systemAuthor } from "./payloads.ts";
import type { Presence } from "./presence.ts";
import { Refusal, refusal } from "./refusal.ts";
import type { Memory } from "./remember.ts";
import type { RoomList } from "./room-list.ts";
import type { Threshold } from "./threshold.ts";
import type { Guest } from "./types.ts";

/** A client that comes back without joining by itself is taken into its room after this. */
const waitForJoinMs = 1_000;
/** Somebody who was sent away and is back within this has not left, unless the others were told so meanwhile. */
const awayMs = 60_000;
const firstWaitMs = 250;
const longestWaitMs = 4_000;

export interface Rooms {
  join(guest: Guest, room: string): Promise<void>;
  history(guest: Guest): Promise<void>;
  /** The history once more, without having been asked for it. */
  retell(guest: Guest): void;
  /** A new socket: back into the room it was in, unless it joins one by itself. */
  resume(guest: Guest): void;
  /** The socket is gone. */
  lost(guest: Guest): void;
  close(): void;
}

interface Options {
  channels: Pick<Channels, "byId">;
  messages: Pick<Messages, "add" | "recent" | "wasSaid">;
  delivery: Delivery;
  presence: Presence;
  roomList: RoomList;
  memory: Memory;
  threshold: Pick<Threshold, "cross">;
  clock: Clock;
  log: Log;
}

export function createRooms(options: Options): Rooms {
  const { channels, messages, delivery, presence, roomList, memory, threshold, clock, log } = options;

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
  async function enter(guest: Guest, id: string): Promise<boolean> {
    if (guest.room?.id === id) return false;
    leave(guest);
    guest.room = { id };
    roomList.expect(guest);
    const joining = guest.socket.join(textRoom(id));
    const arriving = presence.joined(id, guest.member, guest.socket.id);
    memory.note(guest, id);
    const [arrived] = await Promise.all([arriving, joining]);
    return arrived;
  }

  async function mustRead({ member }: Guest, room: string): Promise<void> {
    const channel = await channels.byId(room);
    if (!channel || !mayRead(channel, member.role)) throw refusal.noChannel(room);
  }

  /** `sentAway`: when its client was, which has not left for anybody who was not told so. */
  async function join(guest: Guest, room: string, sentAway?: Date): Promise<void> {
    const arrived = await threshold.cross(async () => {
      await mustRead(guest, room);
      return guest.socket.connected ? enter(guest, room) : undefined;
    });
    if (arrived === undefined) return;
    const { nickname } = guest.member;
    if (arrived && lines.came(room, guest.member) && (!sentAway || (await hasLeft(room, nickname, sentAway))))
      await say(room, joinLine(nickname));
    await roomList.sendTo(guest, room);
    await tell(guest, room);
  }

  async function hasLeft(room: string, nickname: string, since: Date): Promise<boolean> {
    try {
      return await messages.wasSaid(room, leaveLine(nickname), since);
    } catch (error) {
      log.warn({ room, err: messageOf(error) }, "Whether a room was told that somebody left could not be read");
      return false;
    }
  }

  async function history(guest: Guest): Promise<void> {
    if (!guest.room) return void guest.socket.emit("history", []);
    const { id } = guest.room;
    await mustRead(guest, id);
    await tell(guest, id);
  }

  const tell = (guest: Guest, id: string) =>
    delivery.history(guest, id, () => messages.recent(id, guest.member.nickname));

  function later(guest: Guest, ms: number, work: () => Promise<void>, failed: (error: unknown) => void): void {
    const stop = () => clearTimeout(timer);
    const timer = setTimeout(() => {
      guest.socket.off("disconnect", stop);
      guest.work.add(work, failed);
    }, ms);
    guest.socket.once("disconnect", stop);
  }

  const unplaced = ({ room, socket }: Guest) => !room && socket.connected;

  async function comeBack(guest: Guest, patient: boolean): Promise<void> {
    if (!unplaced(guest)) return;
    const remembered = await memory.recall(guest.sessionKey);
    const room = guest.cameFrom ?? remembered?.room;
    if (!room || !unplaced(guest)) return;
    const { sentAway } = remembered ?? {};
    if (sentAway && clock.now() - sentAway.getTime() < awayMs) return join(guest, room, sentAway);
    if (patient) return later(guest, waitForJoinMs, () => comeBack(guest, false), again(guest));
    return join(guest, room);
  }

  /** What the store could not answer is asked again; what may not be is not. */
  function again(guest: Guest, waitMs = firstWaitMs): (error: unknown) => void {
    return (error) => {
      const forGood = error instanceof Refusal && error.code !== "RATE_LIMITED";
      guest.searching = !forGood && unplaced(guest);
      if (forGood) guest.socket.emit("error", errorPayload(error.message, error.code));
      if (!guest.searching) return;
      log.debug({ err: messageOf(error) }, "The room of a session could not be looked up; trying again");
      const next = Math.min(2 * waitMs, longestWaitMs);
      later(guest, waitMs, () => found(guest, false), again(guest, next));
    };
  }

  async function found(guest: Guest, patient: boolean): Promise<void> {
    await comeBack(guest, patient);
    guest.searching = false;
  }

  const lines = createLines({
    membersOf: presence.membersOf,
    onLeft: (room, { nickname }) => void say(room, leaveLine(nickname)),
  });
  presence.events.on("left", ({ room, members }) => lines.left(room, members));
  presence.events.on("vanished", ({ room, members }) => lines.vanished(room, members));

  return {
    join: (guest, room) => join(guest, room),
    history,
    retell: (guest) =>
      guest.work.add(
        () => history(guest),
        (error) => log.warn({ err: messageOf(error) }, "What somebody said before they came back could not be shown"),
      ),
    resume: (guest) => guest.work.add(() => found(guest, true), again(guest)),
    lost(guest) {
      roomList.forget(guest);
      delivery.forget(guest);
      if (guest.room) presence.left(guest.room.id, guest.member.userId, guest.socket.id, "lost");
    },
    close: lines.close,
  };
}
