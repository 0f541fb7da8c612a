import type { SessionData } from "express-session";
import type { Version } from "./version.ts";

/** What a session object in memory was read as, or saved as last. */
export interface Base {
  readonly id: string;
  readonly version: Version;
  /** When it ends in MongoDB, as far as known, in ms. */
  readonly expires: number;
  /** Of what was read, for a document that none of us has written. */
  readonly unwritten?: { hash: string };
}

/** Travels with session objects without being seen by the app. */
export interface Bases {
  of(session: SessionData, id: string): Base | undefined;
  set(session: SessionData, base: Base): void;
  /** express-session makes its own object of what was read. */
  pass(from: SessionData, to: SessionData): void;
  /** express-session has made it new, so that nobody else can know its id yet. */
  born(session: SessionData): void;
  isBorn(session: SessionData): boolean;
}

export function createBases(): Bases {
  const bases = new WeakMap<SessionData, Base>();
  const bornOnes = new WeakSet<SessionData>();
  return {
    of(session, id) {
      const base = bases.get(session);
      return base?.id === id ? base : undefined;
    },
    set: (session, base) => void bases.set(session, base),
    pass(from, to) {
      const base = bases.get(from);
      if (base) bases.set(to, base);
    },
    born: (session) => void bornOnes.add(session),
    isBorn: (session) => bornOnes.has(session),
  };
}
