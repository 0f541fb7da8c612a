import type { Answer } from "../../redis/types.ts";
import type { Stamp } from "../types.ts";

/** An entry as a structure holds it. `rank`: its score in a ZSET, its place in a LIST as text that sorts. */
export interface Element {
  readonly id: string;
  readonly text: string;
  readonly rank?: number | string;
}

export type Found =
  | {
      readonly state: "complete";
      readonly elements: readonly Element[];
      /** Else they come in any order. */
      readonly inOrder: boolean;
      /** Undefined when it changed while it was read. */
      readonly version: string | undefined;
      readonly ttlMs: number;
    }
  /** It is of the version that was asked about. */
  | { readonly state: "same"; readonly ttlMs: number }
  | { readonly state: "filling" | "missing" };

export interface Pushed {
  readonly result: "changed" | "same" | "missing";
  /** Others would see the difference. */
  readonly seen: boolean;
  readonly version: string | undefined;
}

/** One kind of structure in Redis; what it answers is believed when its state names this epoch. */
export interface Shape<Slice> {
  /** The keys that one structure is made of. */
  keys(key: string): string[];
  /** `known`: of this version the caller has it already. */
  read(key: string, epoch: number, slice: Slice | undefined, known?: string): Promise<Answer<Found>>;
  /** Whether it looks at `known`. */
  readonly compares?: true;
  stamp(key: string, epoch: number): Promise<Answer<Stamp | undefined>>;
  /** Takes the lease by making the structure, empty, for `leaseMs`. */
  begin(key: string, token: string, epoch: number, leaseMs: number): Promise<Answer<"begun" | "filling" | "complete">>;
  /** Merges a snapshot while the lease is still there. */
  fill(key: string, lease: Lease, elements: readonly Element[]): Promise<Answer<Filled>>;
  /** Puts in what has been written to MongoDB, where the structure is there and holds nothing newer. */
  push(key: string, elements: readonly Element[]): Promise<Answer<Pushed>>;
}

/** `version`: only when the structure holds the snapshot and nothing else, for others may have written meanwhile. */
export type Filled = { readonly lost: true } | { readonly lost: false; readonly version: string | undefined };

export const lost: Filled = { lost: true };

/** `put`: how many of the snapshot went in. `held`: how many the structure holds now. */
export function filledAs(version: string, { length }: readonly unknown[], put: number, held: number): Filled {
  return { lost: false, version: put === length && held === length ? version : undefined };
}

export interface Lease {
  readonly token: string;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly ttlMs: number;
}

/** No command to Redis carries more elements; of pairs and triples accordingly fewer. */
export const mostAtOnce = 1_000;

export const missing: Found = { state: "missing" };
export const filling: Found = { state: "filling" };

/** A key of another type is none of ours, and is replaced at the next fill. */
export function orMissing<T>(answer: Answer<T>, instead: T): Answer<T> {
  const wrongType = !answer.ok && /^WRONGTYPE|WRONGTYPE Operation/.test(answer.error?.message ?? "");
  return wrongType ? { ok: true, value: instead } : answer;
}

export function mapped<A, B>(answer: Answer<A>, to: (value: A) => B): Answer<B> {
  return answer.ok ? { ok: true, value: to(answer.value) } : answer;
}

/** What a script of a push answers: the state, how many elements are other ones now, and how many seem so. */
export type PushReply = [state: string, changed?: number, seen?: number];

export function pushedOf(replies: readonly PushReply[], versionOf: (state: string) => string | undefined): Pushed {
  const sum = (at: 1 | 2) => replies.reduce((total, reply) => total + (reply[at] ?? 0), 0);
  const last = replies.at(-1)?.[0] ?? "missing";
  if (last === "missing") return { result: "missing", seen: false, version: undefined };
  return { result: sum(1) > 0 ? "changed" : "same", seen: sum(2) > 0, version: versionOf(last) };
}
