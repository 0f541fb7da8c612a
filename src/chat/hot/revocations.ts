import type { CacheBus } from "../../cache/bus-types.ts";
import type { Feeds } from "../services/feeds.ts";
import type { Moderation, Users } from "../services/types.ts";
import type { SessionGate } from "../sessions/types.ts";
import type { Standings } from "../standings.ts";
import { longestMs, nameOf, ofSession, ofUser, type VerifiedTokens } from "./verified.ts";

/** Who may no longer do what he could: forgotten here at once, and told to the others. */
export interface Revocations {
  user(userId: string): void;
  session(sid: string): void;
}

const topic = "updates:users";
const userPrefix = "token:user:";
const sessionPrefix = "token:session:";

export function createRevocations(bus: CacheBus, tokens: VerifiedTokens, standings: Standings): Revocations {
  function forgetUser(userId: string): void {
    standings.forget(userId);
    tokens.forget(ofUser(userId));
  }
  bus.events.on("missed", () => {
    standings.clear();
    tokens.clear();
  });
  bus.events.on("news", ({ key }) => {
    if (key.startsWith(userPrefix)) forgetUser(key.slice(userPrefix.length));
    else if (key.startsWith(sessionPrefix)) tokens.forget(ofSession(key.slice(sessionPrefix.length)));
  });
  return {
    user(userId) {
      forgetUser(userId);
      bus.publish(topic, { key: userPrefix + userId });
    },
    session(sid) {
      const name = nameOf(sid);
      tokens.forget(ofSession(name));
      bus.publish(topic, { key: sessionPrefix + name });
    },
  };
}

/** Does it, and revokes whether that went well or not: an error does not say that nothing was done. */
async function revoking<T>(work: Promise<T>, revoke: () => void): Promise<T> {
  try {
    return await work;
  } finally {
    revoke();
  }
}

export function revokingGate(gate: SessionGate, revocations: Revocations): SessionGate {
  return {
    ...gate,
    end: (sid, handle) => revoking(gate.end(sid, handle), () => revocations.session(sid)),
    endAll: (userId) => revoking(gate.endAll(userId), () => revocations.user(userId)),
  };
}

export function revokingModeration(moderation: Moderation, revocations: Revocations): Moderation {
  const revoke = (id: string) => () => revocations.user(id);
  return {
    ...moderation,
    ban: (actor, id, input) => revoking(moderation.ban(actor, id, input), revoke(id)),
    setRole: (actor, id, role) => revoking(moderation.setRole(actor, id, role), revoke(id)),
    mute: (actor, id, seconds) => revoking(moderation.mute(actor, id, seconds), revoke(id)),
    unmute: (actor, id) => revoking(moderation.unmute(actor, id), revoke(id)),
  };
}

export function revokingUsers(users: Users, revocations: Revocations): Users {
  return { ...users, loggedOut: (id) => revoking(users.loggedOut(id), () => revocations.user(id)) };
}

/** What is heard of sessions, whoever ends or changes them, an old server included. */
export interface SessionNews {
  /** Whether everything is heard now. */
  live(): boolean;
  /** Ended, too. */
  onChanged(listener: (sid: string) => void): void;
  /** It has so much left now. */
  onEndMoved(listener: (sid: string, leftMs: number) => void): void;
  /** Something may have been missed. */
  onMissed(listener: () => void): void;
}

export function followSessions(sessions: SessionNews, tokens: VerifiedTokens): void {
  const forget = (sid: string) => tokens.forget(ofSession(nameOf(sid)));
  sessions.onChanged(forget);
  sessions.onEndMoved((sid, leftMs) => {
    if (leftMs < longestMs) forget(sid);
  });
  sessions.onMissed(() => tokens.clear());
}

/** The second path: who bans somebody past every server of ours is believed, too. */
export function followStandings(feeds: Pick<Feeds, "standings">, tokens: VerifiedTokens) {
  return feeds.standings(
    ({ userId }) => tokens.forget(ofUser(userId)),
    (live, whole) => {
      if (!live || !whole) tokens.clear();
    },
  );
}
