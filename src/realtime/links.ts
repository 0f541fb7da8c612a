import { LRUCache } from "lru-cache";
import type { FoundStanding, StandingChange } from "../chat/services/feeds.ts";
import type { SocketLinks, Standing } from "../chat/services/types.ts";
import type { SessionGate } from "../chat/sessions/types.ts";
import type { Standings } from "../chat/standings.ts";
import type { Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { cut, type Notice } from "./cut.ts";
import type { Doors } from "./doors.ts";
import type { Guests } from "./guests.ts";
import { keyOfHandle } from "./handshake.ts";
import type { Order, Orders } from "./orders.ts";
import type { Presence } from "./presence.ts";
import type { Memory } from "./remember.ts";
import type { Statuses } from "./statuses.ts";
import type { Guest } from "./types.ts";
import type { Voice } from "./voice.ts";

interface Options {
  gate: Pick<SessionGate, "byHandle">;
  doors: Pick<Doors, "doubt">;
  guests: Guests;
  orders: Orders;
  presence: Presence;
  standings: Standings;
  statuses: Statuses;
  memory: Memory;
  voice: Voice;
  /** The history of that room is shown once more to the user's sockets that are in it. */
  retell: (userId: string, room: string) => void;
  clock: Clock;
  log: Log;
}

/** Clocks of instances that are this far apart still agree on which sockets an order is about. */
const skewMs = 5_000;
const cutsRemembered = 1_000;

export interface Links extends SocketLinks {
  /** What is known of a user now; sockets of one who is banned are cut. */
  recognise(standing: Standing): void;
  sessionEnded(sid: string): Promise<void>;
  /** The same; throws when it cannot be told whether the sockets of that session live on. */
  endSession(sid: string): Promise<void>;
  /** A user was changed in the store, by whoever: what an order from another instance would do is done, if none came. */
  changed(change: StandingChange): void;
  /** So a user is found in the store, where changes may have gone unheard: what is not true here any more is put right. */
  found(found: FoundStanding): Promise<void>;
}

export function createLinks(options: Options): Links {
  const { gate, doors, guests, orders, presence, standings, statuses, memory, voice, retell, clock, log } = options;
  const lastCuts = new LRUCache<string, number>({ max: cutsRemembered });

  function cutAll(name: string, found: Guest[], notice?: Notice): number {
    guests.noteCut(name);
    for (const guest of found) cut(guest, memory, notice);
    memory.flush().catch(() => undefined);
    return found.length;
  }

  /** Those that were opened by then: who came back since has logged in again. */
  function cutUser(userId: string, until: number, notice?: Notice): number {
    standings.forget(userId);
    lastCuts.set(userId, clock.now());
    presence.loggedOut(userId);
    statuses.forget(userId);
    const found = guests.ofUser(userId).filter(({ socket }) => socket.handshake.issued <= until);
    return cutAll(userId, found, notice);
  }

  const cutSession = (sessionKey: string) => cutAll(sessionKey, guests.ofSession(sessionKey));

  async function endSession(sid: string): Promise<void> {
    guests.noteCut(sid);
    for (const guest of guests.ofSid(sid)) {
      const heir = guest.handle ? await gate.byHandle(guest.handle, guest.member.userId) : null;
      if (heir) guests.move(guest, heir.sid);
      else cut(guest, memory);
    }
  }

  function recognise({ id, nickname, role, banned }: Standing): void {
    const sockets = guests.ofUser(id);
    if (banned) {
      if (sockets.length > 0)
        cutUser(id, Number.POSITIVE_INFINITY, { name: "banned", payload: { message: "Account is banned" } });
      return;
    }
    const strangers = sockets.filter(({ member }) => member.nickname !== nickname || member.role !== role);
    if (strangers.length === 0) return;
    const member = { userId: id, nickname, role };
    for (const guest of strangers) guests.update(guest, member);
    doors.doubt();
    presence.updated(member);
  }

  /** A stream that resumes tells of what may be over: only a ban that stands is carried out. */
  async function banned(userId: string, payload: object): Promise<void> {
    if (guests.ofUser(userId).length === 0) return;
    const standing = await standings.read(userId).catch(() => null);
    if (!standing || standing.banned) cutUser(userId, Number.POSITIVE_INFINITY, { name: "banned", payload });
    else recognise(standing);
  }

  async function found({ standing, ban }: FoundStanding): Promise<void> {
    const { id, nickname, role, endedBefore } = standing;
    if (standing.banned) return banned(id, { message: "Account is banned", ...ban });
    const sockets = guests.ofUser(id);
    // A session of the old server is stored still when it is dead.
    const ended = ({ handle, socket }: Guest) => !handle && socket.handshake.issued <= (endedBefore?.getTime() ?? 0);
    if (sockets.some(ended)) cutAll(id, sockets.filter(ended));
    if (sockets.every(({ member }) => member.nickname === nickname && member.role === role)) return;
    // What was read may be over by now.
    standings.forget(id);
    const now = await standings.read(id);
    if (now) recognise(now);
  }

  async function refresh(userId: string): Promise<void> {
    standings.forget(userId);
    try {
      const standing = await standings.read(userId);
      if (standing) recognise(standing);
    } catch (error) {
      log.warn({ userId, err: messageOf(error) }, "What changed for a user is seen when the user acts");
    }
  }

  function obey(order: Order, at: number): number {
    if (order.kind === "cutUser") return cutUser(order.userId, at + skewMs, order.event);
    if (order.kind === "cutSession") return cutSession(order.sessionKey);
    if (order.kind === "signal") return Number(voice.receive(order));
    if (order.kind === "refresh") void refresh(order.userId);
    if (order.kind === "retell") retell(order.userId, order.room);
    return guests.ofUser(order.userId).length;
  }

  orders.onOrder(obey);

  async function everywhere(order: Order): Promise<number> {
    const here = obey(order, clock.now());
    return here + (await orders.ask(order));
  }

  return {
    countUser: (userId) => everywhere({ kind: "count", userId }),
    disconnectUser: (userId, event) => everywhere({ kind: "cutUser", userId, ...(event ? { event } : {}) }),
    disconnectSession: (handle) => everywhere({ kind: "cutSession", sessionKey: keyOfHandle(handle) }),
    async refreshUser(userId) {
      orders.tell({ kind: "refresh", userId });
      await refresh(userId);
    },
    loggedIn: presence.loggedIn,
    recognise,
    endSession,
    found,
    changed({ userId, ban, ended }) {
      standings.forget(userId);
      const obeyed = ended !== undefined && (lastCuts.get(userId) ?? 0) > ended.getTime() - skewMs;
      if (ban) return void banned(userId, { message: "Account is banned", ...ban });
      if (ended && !obeyed) cutUser(userId, ended.getTime());
      if (guests.ofUser(userId).length > 0) void refresh(userId);
    },
    async sessionEnded(sid) {
      try {
        await endSession(sid);
      } catch (error) {
        log.warn({ err: messageOf(error) }, "Whether the sockets of an ended session live on could not be told");
      }
    },
  };
}
