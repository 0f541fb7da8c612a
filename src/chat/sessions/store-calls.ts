import type { SessionData, Store } from "express-session";
import { messageOf, UnavailableError } from "../../kernel/errors.ts";

/** An express-session store speaks in callbacks; these are the same calls as promises. */

function unavailable(what: string, cause: unknown): UnavailableError {
  return new UnavailableError(`The session store could not ${what}: ${messageOf(cause)}`, { cause });
}

export function readSession(store: Store, sid: string): Promise<SessionData | null> {
  return new Promise((resolve, reject) => {
    store.get(sid, (error, session) => (error ? reject(unavailable("read", error)) : resolve(session ?? null)));
  });
}

export function destroySession(store: Store, sid: string): Promise<void> {
  return new Promise((resolve, reject) => {
    store.destroy(sid, (error) => (error ? reject(unavailable("destroy", error)) : resolve()));
  });
}
