import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Caller } from "../routes/guard.ts";

/** What a token was found to be, until something may have changed that. */
export interface VerifiedTokens {
  /** Undefined when it must be looked up. */
  find(header: string | undefined): Caller | undefined;
  /** To be taken before looking up; what was revoked since is not kept. */
  mark(): number;
  keep(header: string, caller: Caller, until: number, mark: number): void;
  forgetUser(userId: string): void;
  /** By what `nameOf` makes of its sid. */
  forgetSession(name: string): void;
  clear(): void;
  readonly size: number;
}

export interface VerifiedOptions {
  /** Whether every revocation is heard of now. */
  believed: () => boolean;
  /** No longer than this, whatever is heard. */
  longestMs?: number;
  most?: number;
  now?: () => number;
}

interface Entry {
  readonly caller: Caller;
  readonly session: string | undefined;
  readonly until: number;
}

/** A session's name for others: who reads it cannot use it. */
export const nameOf = (sid: string): string => createHash("sha256").update(sid).digest("base64url").slice(0, 22);

function createIndex() {
  const headers = new Map<string, Set<string>>();
  return {
    add(name: string, header: string): void {
      const all = headers.get(name);
      if (all) all.add(header);
      else headers.set(name, new Set([header]));
    },
    remove(name: string, header: string): void {
      const all = headers.get(name);
      all?.delete(header);
      if (all?.size === 0) headers.delete(name);
    },
    of: (name: string): string[] => [...(headers.get(name) ?? [])],
  };
}

export function createVerifiedTokens(options: VerifiedOptions): VerifiedTokens {
  const { believed, longestMs = 30_000, most = 20_000, now = Date.now } = options;
  const users = createIndex();
  const sessions = createIndex();
  let revocations = 0;
  const tokens = new LRUCache<string, Entry>({
    max: most,
    dispose({ caller, session }, header) {
      users.remove(caller.standing.id, header);
      if (session !== undefined) sessions.remove(session, header);
    },
  });

  function forget(headers: string[]): void {
    revocations += 1;
    for (const header of headers) tokens.delete(header);
  }

  return {
    find(header) {
      if (header === undefined || !believed()) return undefined;
      const found = tokens.get(header);
      if (!found) return undefined;
      if (now() < found.until) return found.caller;
      tokens.delete(header);
      return undefined;
    },
    // What is looked up while not every revocation is heard may be old when they are heard again.
    mark: () => (believed() ? revocations : -1),
    keep(header, caller, until, mark) {
      if (mark !== revocations || !believed()) return;
      const session = caller.session && nameOf(caller.session.sid);
      tokens.set(header, { caller, session, until: Math.min(until, now() + longestMs) });
      users.add(caller.standing.id, header);
      if (session !== undefined) sessions.add(session, header);
    },
    forgetUser: (userId) => forget(users.of(userId)),
    forgetSession: (name) => forget(sessions.of(name)),
    clear() {
      revocations += 1;
      tokens.clear();
    },
    get size() {
      return tokens.size;
    },
  };
}
