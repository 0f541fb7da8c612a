import type { Store } from "express-session";

/** What the chat keeps in a session, beside the cookie. */
export interface ChatSession {
  authenticated: true;
  userId: string;
  nickname: string;
  role: string;
  csrfToken: string;
  /** Random name of the session that a token carries; sessions of the old server have none. */
  handle?: string;
  loginTime?: string;
  registrationTime?: string;
  userAgent?: string;
  /** The channel the user was in last, re-joined at reconnect. */
  room?: string;
}

/** From a handle (in a token) or a sid (in a cookie) to a living session; and ways to end sessions. */
export interface SessionGate {
  readonly store: Store;
  /** null: no living session (of that user) goes by this handle. Throws `UnavailableError` when nobody can tell. */
  byHandle(handle: string, userId?: string): Promise<{ sid: string; session: ChatSession } | null>;
  bySid(sid: string): Promise<ChatSession | null>;
  /** Of these sids, those that MongoDB has no session for. */
  gone(sids: readonly string[]): Promise<string[]>;
  /** Binds a handle to the sid that now carries it (login; a further login of the same user moves it). */
  bind(handle: string, sid: string, userId: string, expires: Date): Promise<void>;
  /** Ends one session: its handle first, then the session itself. */
  end(sid: string, handle?: string): Promise<void>;
  /** Ends every session of the user, those of the old server included. */
  endAll(userId: string): Promise<number>;
}
