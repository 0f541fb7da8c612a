import type { Server } from "socket.io";
import { textRoom } from "./channel-rooms.ts";
import { onlineUsers } from "./payloads.ts";
import type { Presence } from "./presence.ts";
import type { Guest } from "./types.ts";

/** `online_users`: to a newcomer at once, to a room no more often than once per interval. */
export interface RoomList {
  /** To this socket alone; until then it is not sent the room's. */
  sendTo(guest: Guest, room: string): Promise<void>;
  /** This socket is on its way in, and hears of the members after its own join line. */
  expect(guest: Guest): void;
  forget(guest: Guest): void;
  close(): void;
}

interface Options {
  io: Server;
  presence: Presence;
  intervalMs: number;
  onError: (error: unknown) => void;
}

export function createRoomList({ io, presence, intervalMs, onError }: Options): RoomList {
  const expected = new Set<string>();
  const quiet = new Map<string, { changed: boolean; timer: NodeJS.Timeout }>();
  let closed = false;

  async function broadcast(room: string): Promise<void> {
    const members = await presence.membersOf(room);
    io.local
      .to(textRoom(room))
      .except([...expected])
      .emit("online_users", onlineUsers(members));
  }

  /** The first change goes out at once; those of the interval after it together, when it is over. */
  function changed(room: string): void {
    const pause = quiet.get(room);
    if (pause) {
      pause.changed = true;
      return;
    }
    if (closed) return;
    broadcast(room).catch(onError);
    const timer = setTimeout(() => {
      const again = quiet.get(room)?.changed;
      quiet.delete(room);
      if (again) changed(room);
    }, intervalMs).unref();
    quiet.set(room, { changed: false, timer });
  }

  presence.events.on("changed", ({ room }) => changed(room));

  return {
    async sendTo(guest, room) {
      const members = await presence.membersOf(room);
      guest.socket.emit("online_users", onlineUsers(members));
      expected.delete(guest.socket.id);
    },
    expect: (guest) => void expected.add(guest.socket.id),
    forget: (guest) => void expected.delete(guest.socket.id),
    close() {
      closed = true;
      for (const { timer } of quiet.values()) clearTimeout(timer);
      quiet.clear();
    },
  };
}
