import { createHash } from "node:crypto";
import type { Socket } from "socket.io";
import { readSession } from "../chat/sessions/store-calls.ts";
import type { ChatSession, SessionGate } from "../chat/sessions/types.ts";
import type { Standings } from "../chat/standings.ts";
import { withBudget } from "../kernel/budget.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { sameText, signedSid } from "./cookies.ts";
import type { Guests } from "./guests.ts";
import { askForPlace, placeFrom } from "./place.ts";
import type { Guest } from "./types.ts";
import { createWork } from "./work.ts";

/** The only words a client is turned away with. */
const refusals = {
  session: "Session authentication required",
  csrf: "CSRF validation failed",
  user: "User not found in session",
  banned: "User is banned",
  failed: "Socket authentication failed",
} as const;

class Refused extends Error {}

const refuse = (reason: keyof typeof refusals) => new Refused(refusals[reason]);

interface Options {
  gate: SessionGate;
  standings: Standings;
  guests: Guests;
  cookie: { name: string; secrets: readonly string[] };
  deadlineMs: number;
  log: Log;
  onRefused: (reason: string) => void;
}

interface Found {
  session: ChatSession;
  sid: string;
}

export const keyOfHandle = (handle: string) => `handle:${handle}`;
// Sessions of the old server have no handle; their sid is a secret that must not be stored again.
const keyOfSid = (sid: string) => `sid:${createHash("sha256").update(sid).digest("base64url")}`;

function authOf(socket: Socket): { csrfToken: string; handle: string } {
  const { csrfToken, sessionId } = socket.handshake.auth as { csrfToken?: unknown; sessionId?: unknown };
  return {
    csrfToken: typeof csrfToken === "string" ? csrfToken : "",
    handle: typeof sessionId === "string" && sessionId.length <= 200 ? sessionId : "",
  };
}

/** A session of the old server that began before its user's last logout or ban is dead. */
function isEnded({ handle, loginTime, registrationTime }: ChatSession, endedBefore: Date | null): boolean {
  const began = Date.parse(loginTime ?? registrationTime ?? "");
  return !handle && endedBefore !== null && began < endedBefore.getTime();
}

/** Middleware: who is refused is refused here, nobody is let in and then sent away. */
export function createHandshake(options: Options): (socket: Socket, next: (error?: Error) => void) => void {
  const { gate, standings, guests, cookie, deadlineMs, log, onRefused } = options;

  async function sessionOf(sid: string | undefined, handle: string): Promise<Found | null> {
    const byCookie = sid ? await gate.bySid(sid) : null;
    if (byCookie && sid) return { session: byCookie, sid };
    return handle ? gate.byHandle(handle) : null;
  }

  async function whyNobody(sid: string | undefined): Promise<Error> {
    const session = sid ? await readSession(gate.store, sid) : null;
    return refuse(session?.authenticated ? "user" : "session");
  }

  async function identify(socket: Socket, standingOf: Standings["read"]): Promise<Guest> {
    const sid = signedSid(socket.request.headers.cookie, cookie.name, cookie.secrets);
    const { csrfToken, handle } = authOf(socket);
    const found = await sessionOf(sid, handle);
    if (!found) throw await whyNobody(sid);
    const { session } = found;
    if (!session.csrfToken || !sameText(session.csrfToken, csrfToken)) throw refuse("csrf");
    const standing = await standingOf(session.userId);
    if (!standing) throw refuse("user");
    if (standing.banned) throw refuse("banned");
    if (isEnded(session, standing.endedBefore)) throw refuse("session");
    const { id: userId, nickname, role } = standing;
    return {
      socket,
      work: createWork({ deadlineMs }),
      sessionKey: session.handle ? keyOfHandle(session.handle) : keyOfSid(found.sid),
      handle: session.handle,
      sid: found.sid,
      member: { userId, nickname, role },
      cameFrom: placeFrom(socket),
      searching: false,
      room: null,
      voice: null,
    };
  }

  /** A logout or a ban in the middle of it: looks again, once. */
  async function enter(socket: Socket, again = true): Promise<void> {
    const mark = guests.mark();
    const guest = await identify(socket, again ? standings.known : standings.read);
    const answer = guests.admit(guest, mark);
    if (answer === "welcome") return askForPlace(socket);
    if (answer === "cut" && again) return enter(socket, false);
    log.info({ userId: guest.member.userId, answer }, "A socket was refused: its user has too many, or was sent away");
    throw refuse(answer === "cut" ? "session" : "failed");
  }

  return (socket, next) => {
    let over = false;
    const end = (error?: unknown) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (error === undefined) return next();
      const refused = error instanceof Refused ? error : refuse("failed");
      if (refused !== error) log.warn({ err: messageOf(error) }, "A socket could not be authenticated");
      onRefused(refused.message);
      next(refused);
    };
    const timer = setTimeout(() => end(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
    withBudget(() => enter(socket)).then(() => end(), end);
  };
}
