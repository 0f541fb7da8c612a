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

class Itself {
  constructor(session: object) {
    // biome-ignore lint/correctness/noConstructorReturn: so that the private fields below are put on the session itself
    return session as Itself;
  }
}

/**
 * Private fields on session objects that others made: no app, comparison, loop or serializer sees them, and unlike a
 * WeakMap they cost a read next to nothing.
 */
class Bearer extends Itself {
  #base: Base | undefined;

  constructor(session: object, base: Base) {
    super(session);
    this.#base = base;
  }
  static baseOf(session: object): Base | undefined {
    return #base in session ? session.#base : undefined;
  }
  static setBase(session: object, base: Base): void {
    if (#base in session) session.#base = base;
    else new Bearer(session, base);
  }
}

class Born extends Itself {
  #born = true;

  static set(session: object): void {
    if (!(#born in session)) new Born(session);
  }
  static has(session: object): boolean {
    return #born in session && session.#born;
  }
}

/** What the session was read as under this id; undefined for one that a caller has made up. */
export function baseOf(session: SessionData, id: string): Base | undefined {
  const base = Bearer.baseOf(session);
  return base?.id === id ? base : undefined;
}

export const setBase: (session: SessionData, base: Base) => void = Bearer.setBase;

/** express-session makes its own object of what was read. */
export function passBase(from: SessionData, to: SessionData): void {
  const base = Bearer.baseOf(from);
  if (base) Bearer.setBase(to, base);
}

/** express-session has made it new, so that nobody else can know its id yet. */
export const setBorn: (session: SessionData) => void = Born.set;
export const isBorn: (session: SessionData) => boolean = Born.has;
