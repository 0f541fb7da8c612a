import type { SessionData, Store } from "express-session";

export type Stored = SessionData & Record<string, unknown>;

/** How long a call may take before a test calls it hung. */
const HUNG_MS = 8_000;

function answered<T>(what: string, call: (done: (error: unknown, value?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} never called back`)), HUNG_MS);
    call((error, value) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve(value);
    });
  });
}

/** The methods of a session store as promises; one that hangs is an error with its name. */
export function callsOf(store: Store) {
  const all = (done: (error: unknown, list?: SessionData[] | { [sid: string]: SessionData } | null) => void) =>
    store.all?.(done);
  return {
    get: async (sid: string) =>
      ((await answered<SessionData | null>("get", (done) => store.get(sid, done))) ?? null) as Stored | null,
    set: async (sid: string, session: object) => {
      await answered("set", (done) => store.set(sid, session as SessionData, done));
    },
    destroy: async (sid: string) => {
      await answered("destroy", (done) => store.destroy(sid, done));
    },
    touch: async (sid: string, session: object) => {
      await answered("touch", (done) => store.touch?.(sid, session as SessionData, done as () => void));
    },
    all: async () => Object.values((await answered("all", all)) ?? {}) as Stored[],
    length: async () => (await answered<number>("length", (done) => store.length?.(done))) ?? 0,
    clear: async () => {
      await answered("clear", (done) => store.clear?.(done));
    },
  };
}

export type StoreCalls = ReturnType<typeof callsOf>;

/** What express-session hands to a store: a cookie that ends `lifeMs` from now, and what the app put beside it. */
export function sessionOf(lifeMs: number, fields: Record<string, unknown> = {}): Stored {
  const expires = new Date(Date.now() + lifeMs).toISOString();
  return { cookie: { originalMaxAge: lifeMs, expires, httpOnly: true, path: "/" }, ...fields } as unknown as Stored;
}
