import type { Run } from "./calls.ts";
import type { LeaseTimes } from "./leases.ts";

/** What a set needs of the process it is in. */
export interface Link {
  /** Of this start of this process. */
  readonly me: string;
  /** There is a Redis that may come; else this is the only instance. */
  readonly shared: boolean;
  readonly channel: string;
  readonly times: LeaseTimes;
  up(): boolean;
  /** Since when, by `performance.now()`. */
  upSince(): number;
  /** Without Redis: what is known here is all there is to know. */
  certain(): boolean;
  run: Run;
  tally: { asserted: number; reaped: number };
}

interface Gone {
  member: string;
  profile: string;
}

export interface SetOptions {
  ttlSeconds: number;
  /** Each member has a profile: one without it has been lost. */
  profiled: boolean;
  /** Without Redis `add` answers by what was known last, rather than wait. */
  guess: boolean;
  /** What others have is another now. */
  onChanged?(): void;
  /** A dead server had them, and nobody else has. Told by one instance. */
  onReaped?(gone: Gone[]): void;
  /** A dead server had them, whoever reaps it. */
  onVanished?(gone: Gone[]): void;
  /** Ours; others had taken us for dead, and told that they were gone. */
  onReturned?(members: string[]): void;
  /** Put right in silence. */
  onMended?(members: string[]): void;
}

/** A set over all instances. What this one has is noted before a call returns. */
export interface LeasedSet {
  /** True: nobody had it. */
  add(member: string, profile?: string): Promise<boolean>;
  /** `gone` is called when nobody has it any more; of several instances, by one. */
  remove(member: string, gone?: () => void): void;
  /** What others have, as far as is known. */
  others(): Iterable<[member: string, profile: string]>;
  othersHave(member: string): boolean;
  /** When what others have is known, or cannot be. */
  ready(): Promise<void>;
  /** Other instances that live. */
  readonly neighbours: string[];
  beat(): void;
  /** A change that another instance has published; without details it must be read. */
  hear(server: string, rev: string, came?: readonly string[], went?: readonly string[]): void;
  /** Redis is back, maybe with other data. */
  recover(): void;
  lose(): void;
  /** It ends when nobody is in it and the others know. */
  retire(onEnd: () => void): void;
  keep(): void;
  /** The lease is given up; the others reap after the grace. */
  leave(): Promise<void>;
  /** Everything is done that can be done now, a beat included. `impatient`: servers that leave are reaped at once. */
  settle(impatient?: boolean): Promise<void>;
}
